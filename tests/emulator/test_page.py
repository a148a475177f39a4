"""The page in a real browser: what a person sees, on a screen and on a phone, by day and by night."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser_stage import Page, browser, take_pictures
from tests.service_stage import Service, gateway, service

# Each would run if it were not escaped, or if the policy allowed it.
MARKUP = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    '</h1><svg onload="window.ran = 3"><a href="javascript:window.ran = 4" autofocus onfocus="window.ran = 5">x</a>'
    "<style>body{display:none}</style><iframe srcdoc='<script>parent.ran = 6</script>'></iframe>&lt;b&gt;"
)
BACKGROUND = "getComputedStyle(document.querySelector('main')).backgroundColor"
INK = "getComputedStyle(document.querySelector('h1')).color"
SOFT = "getComputedStyle(document.querySelector('dd')).color"


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service(CACHE_TTL_SECONDS="0") as started:
        yield started


@pytest.fixture(scope="module")
def url(running: Service) -> Iterator[str]:
    with gateway(running) as address:
        yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


def text(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).innerText"))


@pytest.mark.parametrize(
    "message",
    ["Hello", "Zwölf Boxkämpfer 👋🏽 👩‍👩‍👧‍👦", "أهلاً وسهلاً", "one\ntwo", MARKUP],
    ids=["plain", "emoji", "right to left", "two lines", "markup"],
)
def test_a_person_sees_the_message_and_nothing_else_happens(
    message: str, page: Page, url: str, running: Service
) -> None:
    running.table.put({"message": {"S": message}})
    page.look("light", 960, 540)

    page.open(url)

    assert text(page, "h1") == message
    assert page.complaints == []
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.querySelectorAll('main *').length") == 8  # h1, dl, and two rows of div, dt, dd
    assert "dev" in text(page, "dl")
    assert "7" in text(page, "dl")


def test_the_page_loads_nothing(page: Page, url: str) -> None:
    page.open(url)

    loaded = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_the_style_is_allowed_by_the_policy(page: Page, url: str) -> None:
    """A hash that does not match the style would leave a bare page, and a complaint."""
    page.open(url)

    assert page.evaluate("getComputedStyle(document.body).display") == "grid"
    assert page.complaints == []


def test_the_policy_stops_a_script_that_got_in(page: Page, url: str) -> None:
    """Given a page that is open, when something adds a script to it, then the browser refuses to run it."""
    page.open(url)
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")

    assert page.evaluate("window.ran") is None
    assert "Content Security Policy" in "".join(page.complaints)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_by_day_and_by_night(scheme: str, page: Page, url: str) -> None:
    """4.5 to 1 is what WCAG 2 asks of text (AA)."""
    page.look(scheme, 960, 540)
    page.open(url)

    background = luminance(page.evaluate(BACKGROUND))
    assert (background > 0.5) == (scheme == "light")
    for colour in (INK, SOFT):
        dark, light = sorted((background, luminance(page.evaluate(colour))))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("message", ["Hello", "x" * 400, "many words " * 60])
def test_the_page_fits_a_phone(message: str, page: Page, url: str, running: Service) -> None:
    running.table.put({"message": {"S": message}})
    page.look("light", 360, 740)

    page.open(url)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_is_usable_without_seeing_it(page: Page, url: str) -> None:
    """One heading, one landmark, a title and a language."""
    page.open(url)

    assert page.evaluate("document.title") == "Welcome"
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    assert page.evaluate("document.querySelectorAll('main').length") == 1


def test_pictures_show_both_colour_schemes(page: Page, url: str, tmp_path: Path) -> None:
    """Those in docs/ were made like this: `python tests/page_pictures.py`."""
    light, dark = take_pictures(page, url, tmp_path)

    assert light.read_bytes().startswith(b"\x89PNG")
    assert light.read_bytes() != dark.read_bytes()

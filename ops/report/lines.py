"""The lines that show a change, shared by the comment and the terminal."""

from __future__ import annotations

import difflib
import json
import unicodedata

from ops.report.changes import UNKNOWN, Attribute, Change

SIGNS = {"destroy": "-", "replace": "±", "forget": "⊘", "update": "~", "create": "+", "import": "←", "move": "→"}
HIDDEN = "(hidden)"
LONGEST_VALUE = 240
LONGEST_TEXT = 40  # lines of a text with line breaks
MOST_ATTRIBUTES = 80


def visible(text: str) -> str:
    """`text` with control and formatting characters written out: no escape sequence, no right-to-left trick."""
    if text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character)[0] != "C" else json.dumps(character)[1:-1] for character in text
    )


def clip(text: str, longest: int) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} more characters … {text[-half:]}"


def value(item: object) -> str:
    """A value as JSON, on one line, of bounded length."""
    if item is UNKNOWN:
        return repr(UNKNOWN)
    return visible(clip(json.dumps(item, ensure_ascii=False), LONGEST_VALUE))


def diff(change: Change) -> list[tuple[str, str]]:
    """The lines of a change as (sign, text): `+`, `-`, `~` or a blank one for context."""
    new = change.action in ("create", "replace")
    # A new resource always has dozens of these; in an update, one says that a value may change.
    later = [each.name for each in change.attributes if new and each.after is UNKNOWN]
    rest = [each for each in change.attributes if not (new and each.after is UNKNOWN)]
    lines = [line for attribute in rest[:MOST_ATTRIBUTES] for line in _attribute(attribute)]
    if len(rest) > MOST_ATTRIBUTES:
        lines.append((" ", f"… {len(rest) - MOST_ATTRIBUTES:,} more attributes"))
    if later:
        lines.append((" ", f"{UNKNOWN!r}: {visible(clip(', '.join(later), LONGEST_VALUE))}"))
    return lines


def _attribute(attribute: Attribute) -> list[tuple[str, str]]:
    name = visible(clip(attribute.name, LONGEST_VALUE))
    before, after = attribute.before, attribute.after
    sign = "+" if before is None else "-" if after is None else "~"
    if attribute.hidden:
        return [(sign, f"{name}: {HIDDEN}" if sign != "~" else f"{name}: {HIDDEN} → {HIDDEN}")]
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        return [("~", f"{name}:"), *_text(before, after)]
    if sign == "~":
        return [(sign, f"{name}: {value(before)} → {value(after)}")]
    return [(sign, f"{name}: {value(after if before is None else before)}")]


def _text(before: str, after: str) -> list[tuple[str, str]]:
    """A text with line breaks, line by line, around what differs."""
    old, new = before.splitlines()[:2000], after.splitlines()[:2000]
    found = [line for line in difflib.unified_diff(old, new, lineterm="", n=1) if not line.startswith(("---", "+++"))]
    lines = [(line[0] if line[0] in "+-" else " ", "  " + visible(clip(line[1:], LONGEST_VALUE))) for line in found]
    more = len(lines) - LONGEST_TEXT
    return [*lines[:LONGEST_TEXT], *([(" ", f"  … {more:,} more lines")] if more > 0 else [])]

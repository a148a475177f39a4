"""Take the pictures of docs/reports: what a reviewer sees of each example. `python -m tests.report_pictures`.

A Markdown parser and a few rules of GitHub's style, in headless Chromium: near enough to see what the eye meets first.
"""

from __future__ import annotations

import html
import re
import subprocess
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

from ops.paths import ROOT
from tests.browser_stage import chromium

STYLE = """
body { font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; color: #1f2328;
       width: 860px; margin: 24px; }
h2, h3 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em }
table { border-collapse: collapse; margin: 12px 0 } th, td { border: 1px solid #d1d9e0; padding: 6px 13px }
code { background: #818b981f; border-radius: 6px; padding: .2em .4em; font: 85% ui-monospace, monospace }
pre { background: #f6f8fa; border-radius: 6px; padding: 12px; overflow: hidden }
pre code { background: none; padding: 0 }
blockquote { border-left: 4px solid #d1242f; margin: 0 0 12px; padding: 0 16px } details { margin: 8px 0 }
.add { background: #dafbe1 } .del { background: #ffebe9 } .chg { background: #fff8c5 }
.add, .del, .chg { display: block }
"""


def page(text: str) -> str:
    body = MarkdownIt("commonmark", {"html": True, "highlight": coloured}).enable("table").render(text)
    for kind in ("CAUTION", "WARNING", "IMPORTANT"):
        body = body.replace(f"[!{kind}]", f"<b>{kind.capitalize()}</b><br>")
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}"


def coloured(code: str, language: str, _attributes: str) -> str:
    """A diff as GitHub colours it."""
    kinds = {"+": "add", "-": "del", "!": "chg"} if language == "diff" else {}
    lines = [
        f'<span class="{kinds[line[0]]}">{html.escape(line)}</span>' if line[:1] in kinds else html.escape(line) + "\n"
        for line in code.splitlines()
    ]
    return "".join(lines)


def main() -> None:
    for file in sorted((ROOT / "docs" / "reports").glob("*.md")):
        with tempfile.TemporaryDirectory() as scratch:
            # The first two closed details are opened, so that the picture shows what is behind them.
            text = re.sub(r"<details>", "<details open>", file.read_text(), count=2)
            (Path(scratch) / "page.html").write_text(page(text))
            subprocess.run(
                [
                    chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    "--window-size=920,1100", f"--user-data-dir={scratch}/profile",
                    f"--screenshot={file.with_suffix('.png')}", f"file://{scratch}/page.html",
                ],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
        print(file.with_suffix(".png").relative_to(ROOT))


if __name__ == "__main__":
    main()

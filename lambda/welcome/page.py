"""The message as a page for people. One file, no script; the policy allows its style by hash and nothing else."""

import base64
import hashlib
import html

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#5a6478;--card:#fff;--a:#dfe9ff;--b:#fdeee4}
@media(prefers-color-scheme:dark){:root{--ink:#eef1f8;--soft:#a3adc2;--card:#1b2130;--a:#111a33;--b:#241a2b}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:5vmin;color:var(--ink);
background:linear-gradient(135deg,var(--a),var(--b)) fixed;font:1rem/1.5 system-ui,sans-serif}
main{width:min(44rem,100%);padding:clamp(1.5rem,6vw,4rem);border-radius:1.5rem;background:var(--card);
box-shadow:0 1rem 3rem #0002}
h1{margin:0;font-size:clamp(1.75rem,6vw,3.25rem);line-height:1.2;overflow-wrap:anywhere;white-space:pre-wrap}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:2.5rem 0 0;color:var(--soft)}
dt,dd{display:inline;margin:0}
dd{font-weight:600}
"""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Welcome</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<main>
<h1 dir="auto">{message}</h1>
<dl><div><dt>Environment</dt> <dd>{environment}</dd></div> <div><dt>Release</dt> <dd>{release}</dd></div></dl>
</main>
</html>
"""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


def render(message: str, environment: str, release: str) -> str:
    """The page; every value is escaped."""
    values = {"message": message, "environment": environment, "release": release}
    return _PAGE.format(style=_STYLE, **{name: html.escape(value) for name, value in values.items()})

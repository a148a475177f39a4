"""Which values a report must not show, beyond those that the plan itself marks as sensitive.

A container's environment variable, a token in user data or a password in a tag is not sensitive to any schema, and a
comment is mailed to every subscriber. So a value is hidden by its name, by its form, and by looking random. Hiding one
too many costs a reviewer a glance at the code; showing one too many costs a rotation.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable

# Words of an attribute's name that say its value is a secret …
_NAME = re.compile(
    r"(?:^|_)(?:pass(?:word|wd|phrase|code)?|pwd|secrets?|tokens?|credentials?|auth|authorization|bearer|cookie|dsn|jwt|otp|pin|"
    r"(?:api|private|access|secret|signing|encryption|master|account|license|ssh|shared|session|deploy|service)_?keys?|"
    r"connection_?strings?|webhook(?:_url)?)(?:_|$)"
)
# … unless it is one of these, which only describes one.
_DESCRIBES = re.compile(r"_(?:arns?|enabled|length|policy|type|version|ttl|days|seconds|required|mode)$")
# Names of values that look random and are public: digests and revisions.
_DIGEST = re.compile(
    r"(?:^|_)(?:hash|sha|sha1|sha256|sha512|md5|digest|checksum|etag|commit|fingerprint|revision|thumbprint|thumbprints)(?:_|$)"
)
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"  # AWS
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk_live_|rk_live_|sk-|npm_|pypi-|dop_v1_|shpat_|SG\.)[\w.-]{10,}"
    r"|\bAIza[\w-]{30,}"  # Google
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JWT
    r"|\bhooks\.slack\.com/services/\S+"
    r"|\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@"  # user:password@ in a URL
    r"|(?i:(?<![:\w])(?:password|passwd|pwd|secret|token|api[_-]?key)\b[\"']?\s*[=:]\s*[\"']?[^\s\"']{4,})"
    r"|(?i:\bbearer\s+[\w.~+/-]{8,})"
)
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> str:
    """`dbPassword`, `DB-PASSWORD` and `db.password` all read `db_password`."""
    return re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", name).lower())


@functools.lru_cache(maxsize=4096)
def secret_name(name: str) -> bool:
    """Whether an attribute, variable or key of this name holds a secret."""
    words = _words(name)
    return bool(_NAME.search(words)) and not _DESCRIBES.search(words)


def _kind(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2


def _random(token: str) -> bool:
    """Whether a token looks drawn at random: its characters change between digit, upper and lower case all the time.

    Names, paths and camel case change at the start of a word only: 5 to 25 % of the places. A random hexadecimal
    string changes at 47 %, random base64 at 60 %.
    """
    kinds = [_kind(character) for character in token if character.isalnum()]
    if len(kinds) < 16:
        return False
    changes = sum(a != b for a, b in itertools.pairwise(kinds)) / (len(kinds) - 1)
    return changes >= (0.27 if 0 in kinds else 0.4) and len(set(token)) >= 8


def secret_text(text: str) -> bool:
    """Whether a text contains something with the form of a secret, whatever it is called."""
    if _FORMS.search(text):
        return True
    if len(text) < 20:
        return False
    return any(_random(token) for token in _TOKEN.findall(_UUID.sub("", text)))


def secret_value(names: Iterable[str], value: object) -> bool:
    """Whether to hide a value found under these names (its attribute and everything around it)."""
    if value is None or isinstance(value, bool):
        return False
    names = tuple(names)
    if any(secret_name(name) for name in names):
        return True
    if not isinstance(value, str):
        return False
    if names and _DIGEST.search(_words(names[-1])):
        return bool(_FORMS.search(value))
    return secret_text(value)


def scrub(text: str) -> str:
    """A message of a tool with everything secret-shaped taken out, token by token."""
    text = _FORMS.sub("(hidden)", text)
    return _TOKEN.sub(lambda found: "(hidden)" if secret_text(found.group()) else found.group(), text)

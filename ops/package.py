"""The function's package: the same bytes on every machine, so that its hash names a commit."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import click

from ops.console import log, out
from ops.errors import BadInput
from ops.paths import LAMBDA

ENTRY_POINT = "handler.py"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that the zip format can hold
REGULAR_FILE = 0o100644


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of `files` (name -> content) that depends on nothing else.

    Stored, not compressed: zlib and zlib-ng emit different DEFLATE streams for the same input. Order, dates, modes
    and the system that made it are fixed, because zipfile otherwise takes them from the machine.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix: on Windows zipfile would say 0, and Lambda would ignore the mode
            entry.external_attr = REGULAR_FILE << 16
            package.writestr(entry, content)
    return buffer.getvalue()


def build(source: Path = LAMBDA) -> bytes:
    """The package of the Python files in `source`. Raises BadInput if the entry point is not among them."""
    files = {path.name: path.read_bytes() for path in source.glob("*.py") if path.is_file()}
    if ENTRY_POINT not in files:
        raise BadInput(f"{source} holds no {ENTRY_POINT}: the function could not start.")
    return pack(files)


def code_sha256(data: bytes) -> str:
    """SHA-256 of a package in base64: what AWS calls `CodeSha256`."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the package to this file.")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=LAMBDA,
    help="Package this directory instead of lambda/welcome.",
)
@click.option("--json", "as_json", is_flag=True, help="Print hash and size for a program.")
def package(output: Path | None, source: Path, as_json: bool) -> None:
    """Build the function's package and print its CodeSha256."""
    data = build(source)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
        log.print(f"{output}: {len(data)} bytes", markup=False)
    digest = code_sha256(data)
    if as_json:
        out.print(json.dumps({"code_sha256": digest, "bytes": len(data)}), markup=False)
    else:
        out.print(digest, markup=False)

"""The package is the same bytes wherever it is built, so that its hash can stand for a commit."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from ops.errors import BadInput
from ops.package import build, code_sha256, pack
from ops.paths import LAMBDA, ROOT

BUILD = "import sys, pathlib; from ops.package import *; print(code_sha256(build(pathlib.Path(sys.argv[1]))))"
HERE = (sys.version_info.major, sys.version_info.minor)


def interpreters() -> list[str]:
    """Python 3.11 and later, as many as this machine has and can start."""
    found = [sys.executable]
    for minor in (11, 12, 13, 14):
        path = shutil.which(f"python3.{minor}")
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            found.append(path)
    return found


def built_by(python: str, source: Path, **environment: str) -> str:
    libraries = str(Path(click.__file__).parent.parent)  # click is the one library that ops.package imports early
    done = subprocess.run(
        [python, "-c", BUILD, str(source)], capture_output=True, text=True, cwd=source,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{libraries}", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("python", interpreters())
def test_every_interpreter_builds_the_same_package(python: str) -> None:
    assert built_by(python, LAMBDA) == code_sha256(build())


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "7"},
    ],
    ids=str,
)
def test_neither_time_zone_nor_locale_nor_hash_seed_changes_it(environment: dict[str, str]) -> None:
    assert built_by(sys.executable, LAMBDA, **environment) == code_sha256(build())


def test_neither_path_nor_mode_nor_time_nor_order_nor_neighbours_change_it(tmp_path: Path) -> None:
    # Given a copy elsewhere: written in another order, under another umask, with other times, and with litter
    copy = tmp_path / "ö f" / "welcome"
    copy.mkdir(parents=True)
    before = os.umask(0o077)
    try:
        for path in sorted(LAMBDA.glob("*.py"), reverse=True):
            (copy / path.name).write_bytes(path.read_bytes())
            os.utime(copy / path.name, (1e9, 1e9))
            (copy / path.name).chmod(0o755)
    finally:
        os.umask(before)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"litter")
    (copy / "notes.txt").write_text("litter")
    # When it is built, then it is the same package
    assert build(copy) == build()


def test_the_package_holds_the_python_files_at_its_root_stored_and_readable() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as package:
        entries = package.infolist()
    assert [entry.filename for entry in entries] == sorted(path.name for path in LAMBDA.glob("*.py"))
    for entry in entries:
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o100644
        assert entry.create_system == 3


def test_one_changed_byte_changes_the_hash() -> None:
    assert code_sha256(pack({"handler.py": b"a"})) != code_sha256(pack({"handler.py": b"b"}))


def test_a_directory_without_the_entry_point_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").touch()
    with pytest.raises(BadInput, match=r"holds no handler\.py"):
        build(tmp_path)

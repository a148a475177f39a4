"""Entry point: `python -m ops …` with any Python ≥ 3.11, which hands over to the pinned environment."""

from __future__ import annotations

import sys

from ops import pyenv

if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an older Python may run
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": run `make PYTHON=python3.11 …`")

pyenv.enter("ops")

from ops.cli import main  # noqa: E402 - the libraries exist only inside the environment

main()

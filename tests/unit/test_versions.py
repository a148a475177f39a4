"""mise.toml and `ops/tools` name the same tools at the same versions."""

import tomllib

from ops import toolchain
from ops.paths import ROOT


def test_mise_installs_the_versions_that_the_toolchain_builds() -> None:
    pinned = tomllib.loads((ROOT / "mise.toml").read_text())["tools"]
    assert pinned == toolchain.versions()

"""Check the inputs of jdx/mise-action against mise.toml. The tools come from the cache of `ops toolchain`."""

import os
import re
import sys
import tomllib
from pathlib import Path

pinned = tomllib.loads((Path(os.environ["GITHUB_WORKSPACE"]) / "mise.toml").read_text())["tools"]
exact = re.compile(r"\d+\.\d+\.\d+")
wanted = os.environ["TOOLS"].split()
problems = [f"{name} is not in mise.toml" for name in wanted if name not in pinned]
problems += [
    f"mise.toml does not pin {name} exactly" for name in wanted if not exact.fullmatch(pinned.get(name, "0.0.0"))
]
problems += [] if exact.fullmatch(os.environ["VERSION"]) else ["mise itself is not pinned"]
problems += [] if os.environ["CACHE"] == "false" else ["the cache has to be off"]
if problems:
    sys.exit("; ".join(problems))
print("mise would install " + ", ".join(f"{name} {pinned[name]}" for name in wanted))

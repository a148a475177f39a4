"""The emulator build of the AWS provider: its published code with fewer services registered.

The whole provider takes half an hour and 9 GB to build, its emulator build four minutes. Two generated lists say what
is in it: the service packages and the SDK clients. Both are derived here from the services this project uses, so that
there is one list to keep. Standard library only.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

# Release tags of version 6 do not match the module's path, so the module proxy serves no release. This fork is served:
# the 6.34.0 code with one exported package added, the base of Crossplane's AWS provider.
MODULE = "github.com/upbound/terraform-provider-aws"
MODULE_VERSION = "v0.0.0-20260305123303-f7691456b787"
MODULE_SUM = "h1:dJlp2eNgY/iVKTPINdguYlHbHc9CtXBZKmQmqYq0REs="
IMPORT_PATH = "github.com/hashicorp/terraform-provider-aws"
VERSION = "6.34.0"

# The services of modules/ and of the provider's own start (sts, meta).
SERVICES = ("apigatewayv2", "cloudwatch", "dynamodb", "iam", "lambda", "logs", "meta", "s3", "s3control", "sns", "sts")

_SERVICE_IMPORT = re.compile(rf'"{IMPORT_PATH}/internal/service/(\w+)"')
_CLIENT_CALL = re.compile(r"\.(\w+Client)\(ctx")


def closure(module: Path, services: tuple[str, ...] = SERVICES) -> set[str]:
    """`services` and every service package they import: an unregistered one makes the provider panic at run time."""
    found: set[str] = set()
    waiting = set(services)
    while waiting:
        service = waiting.pop()
        found.add(service)
        for file in _sources(module / "internal" / "service" / service):
            waiting |= set(_SERVICE_IMPORT.findall(file.read_text())) - found
    return found


def prepare(module: Path, target: Path) -> None:
    """Copy the provider's code from `module` to `target`, with its lists shortened to `SERVICES`."""
    kept = closure(module)

    def left_out(directory: str, names: list[str]) -> set[str]:
        here = Path(directory)
        ignored = {name for name in names if name.endswith("_test.go") or name in ("testdata", "test-fixtures")}
        if here == module:
            ignored |= set(names) & {"website", "docs", "examples", "infrastructure", ".ci", "xpprovider", ".github"}
        if here == module / "internal":
            ignored |= {"acctest", "generate"}  # of the provider's own tests; they reach for every client
        if here == module / "internal" / "service":
            ignored |= {name for name in names if (here / name).is_dir()} - kept
        return ignored

    shutil.copytree(module, target, ignore=left_out)
    for path in [target, *target.rglob("*")]:  # the module cache is read-only
        path.chmod(path.stat().st_mode | 0o200)

    packages = target / "internal" / "provider" / "sdkv2" / "service_packages_gen.go"
    packages.write_text(
        "\n".join(
            line
            for line in packages.read_text().splitlines()
            if not (named := re.search(r"internal/service/(\w+)\"$|^\t\t(\w+)\.ServicePackage\(ctx\),", line))
            or (named[1] or named[2]) in kept
        )
    )
    clients = target / "internal" / "conns" / "awsclient_gen.go"
    called = {
        name
        for file in _sources(target / "internal")
        if file != clients
        for name in _CLIENT_CALL.findall(file.read_text())
    }
    clients.write_text(_shorten_clients(clients.read_text(), called))


def _sources(directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*.go") if not file.name.endswith("_test.go")]


def _shorten_clients(text: str, called: set[str]) -> str:
    """Keep the accessors in `called`, and the SDK imports that they need."""
    head, *functions = re.split(r"(?m)^(?=func )", text)
    kept = [each for each in functions if re.match(r"func \(c \*AWSClient\) (\w+)", each)[1] in called]  # type: ignore[index]
    body = "".join(kept)

    def needed(line: str) -> bool:
        named = re.match(r'\t(?:(\w+) )?"(github\.com/aws/aws-sdk-go-v2/service/([^"]+))"', line)
        return not named or f"*{named[1] or named[3].split('/')[-1]}." in body

    return "".join(line for line in head.splitlines(keepends=True) if needed(line)) + body

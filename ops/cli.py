"""The command line: `python -m ops COMMAND`. Commands live with what they are about and are imported when called."""

from __future__ import annotations

import importlib
import os
import signal
import sys

import click

from ops.errors import OpsError

# name of the command -> where its click command is. Imported lazily: `ops env` must not wait for boto3.
COMMANDS = {
    "apply": "ops.apply:apply",
    "bench": "ops.bench.command:bench",
    "bootstrap": "ops.bootstrap:bootstrap",
    "clean": "ops.local:clean",
    "comment": "ops.comment:comment",
    "contract": "ops.contract:contract",
    "deliver": "ops.deliver:command",
    "destroy": "ops.local:destroy",
    "down": "ops.local:down",
    "drift": "ops.drift:drift",
    "emulator": "ops.emulator.command:emulator",
    "env": "ops.local:env",
    "lint": "ops.lint:lint",
    "lock": "ops.lint:lock",
    "message": "ops.message:message",
    "package": "ops.package:package",
    "plan": "ops.plan:plan",
    "policy": "ops.policy.command:policy",
    "rehearse": "ops.rehearse.command:rehearse",
    "release": "ops.release.command:release",
    "releases": "ops.release.listing:releases",
    "report": "ops.report.command:report",
    "rollback": "ops.release.command:rollback",
    "status": "ops.status:status",
    "test": "ops.testing:test",
    "toolchain": "ops.toolchain:toolchain",
    "up": "ops.local:up",
    "url": "ops.urls:url",
    "verify": "ops.release.verify:verify",
}


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("1.0.0", prog_name="ops")
def ops() -> None:
    """Operate the welcome service: locally by default, against AWS with TARGET=aws."""


def main() -> None:
    """Run the command line and turn known errors into one sentence and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        ops.main(standalone_mode=False, prog_name="ops")
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(141)
    except Exception as error:
        if not type(error).__module__.startswith("botocore"):  # not imported here: most commands do without it
            raise
        print(f"error: AWS: {error} Does it run, and are the credentials right? `make status` tells.", file=sys.stderr)
        sys.exit(1)

"""`ops emulator`: the emulators by themselves, as `make up` and `make down` use them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import click

from ops.console import log, out
from ops.emulator import process
from ops.environments import selected


@click.command()
@click.argument("action", type=click.Choice(["start", "stop", "status"]))
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--json", "as_json", is_flag=True, help="Print the state of each as JSON.")
def emulator(action: str, name: str | None, as_json: bool) -> None:
    """Start, stop or show the local AWS: one emulator an environment."""
    envs = selected(name)
    work = {"start": process.start, "stop": process.stop, "status": process.running}[action]
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, envs))
    state = {
        env.name: {"endpoint": env.endpoint, "pid": process.running(env), "log": str(process.log_file(env))}
        for env in envs
    }
    if as_json:
        out.print_json(json.dumps(state))
        return
    for each, values in state.items():
        running = f"runs on {values['endpoint']}, pid {values['pid']}" if values["pid"] else "does not run"
        log.print(f"emulator of {each}: {running}", markup=False)

"""What a workflow file says that act does not act on: environments, permissions and triggers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


class Unsupported(Exception):
    """The workflow uses something that is not evaluated here: extend this file rather than guess."""


@dataclass(frozen=True)
class Workflow:
    """One file of `.github/workflows`."""

    file: str
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Workflow:
        content = yaml.safe_load(path.read_text())
        # YAML 1.1 reads the key `on` as true.
        return cls(path.name, {("on" if key is True else key): value for key, value in content.items()})

    @property
    def name(self) -> str:
        return str(self.content["name"])

    @property
    def jobs(self) -> Mapping[str, Any]:
        jobs: Mapping[str, Any] = self.content["jobs"]
        return jobs

    def starts_on(self, event: str, branch: str) -> bool:
        """Whether `event` starts this workflow; `branch` is the base of a pull request, or what was pushed to."""
        if event not in self.content["on"]:
            return False
        settings = self.content["on"][event]
        return not isinstance(settings, dict) or branch in settings.get("branches", [branch])

    def permissions(self, job: str) -> Mapping[str, str]:
        """What the token of a job may do. A job's own setting replaces the workflow's."""
        declared = self.jobs[job].get("permissions", self.content.get("permissions"))
        if not isinstance(declared, dict):
            raise Unsupported(f"{self.file} leaves the permissions of {job} to the settings of the repository")
        return declared

    def environment(self, job: str, outputs: Mapping[tuple[str, str], str], matrix: Mapping[str, Any]) -> str | None:
        """Name of the GitHub environment of a job; `outputs` holds those of steps that ran, by job and step.output."""
        declared = self.jobs[job].get("environment")
        name = declared["name"] if isinstance(declared, dict) else declared
        return None if name is None else _EXPRESSION.sub(lambda found: self._value(found[1], outputs, matrix), name)

    def _value(self, expression: str, outputs: Mapping[tuple[str, str], str], matrix: Mapping[str, Any]) -> str:
        context, *path = expression.split(".")
        if context == "matrix":
            value: Any = matrix
            for part in path:
                value = value[part]
            return str(value)
        if context == "needs" and len(path) == 3 and path[1] == "outputs":
            inner = _EXPRESSION.fullmatch(self.jobs[path[0]]["outputs"][path[2]])
            step = inner[1].split(".") if inner else []
            if len(step) == 4 and step[0] == "steps" and step[2] == "outputs":
                return outputs[path[0], f"{step[1]}.{step[3]}"]
        raise Unsupported(f"{self.file}: ${{{{ {expression} }}}} in an environment is not evaluated here")


def workflows(checkout: Path) -> dict[str, Workflow]:
    """The workflows of a checkout by file name without its ending."""
    return {file.stem: Workflow.read(file) for file in sorted((checkout / ".github" / "workflows").glob("*.yml"))}

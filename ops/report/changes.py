"""Plan JSON as a list of changes: what happens to each resource, and which attributes differ.

The format is the engine's published one (`terraform show -json`, `tofu show -json`, format version 1): the same for
both engines and stable, unlike the text of a plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from ops.errors import OpsError
from ops.report.secrets import secret_text, secret_value

Plan = Mapping[str, Any]
Path = tuple[str | int, ...]


class _Unknown:
    """A value that only the apply will tell."""

    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN = _Unknown()

# What the engine calls it -> what a report calls it, worst first: this is the order of a report.
ACTIONS = {
    ("delete",): "destroy",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "forget",
    ("create", "forget"): "replace",
    ("update",): "update",
    ("create",): "create",
    ("import",): "import",
    ("move",): "move",
}
ORDER = tuple(dict.fromkeys(ACTIONS.values()))

# Resources that hold what no apply can bring back: data, keys, identities that others depend on.
_STATEFUL_PREFIXES = (
    "aws_backup_vault", "aws_cloudwatch_log_group", "aws_cognito_user_pool", "aws_db_", "aws_docdb", "aws_dynamodb_",
    "aws_ebs_", "aws_ecr_repository", "aws_efs_", "aws_elasticache", "aws_elasticsearch", "aws_fsx",
    "aws_kinesis_stream", "aws_kms_", "aws_memorydb", "aws_msk_cluster", "aws_neptune", "aws_opensearch", "aws_rds",
    "aws_redshift", "aws_route53_zone", "aws_s3_bucket", "aws_secretsmanager_secret", "aws_sqs_queue",
    "aws_ssm_parameter", "aws_timestream",
)  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """One leaf of a resource that differs. `before` and `after` are what JSON has, or UNKNOWN, or None for absent."""

    path: Path
    before: Any
    after: Any
    hidden: bool  # neither value may be shown

    @property
    def name(self) -> str:
        """`environment[0].variables.TABLE_NAME`."""
        text = ""
        for step in self.path:
            plain = isinstance(step, str) and step.replace("_", "").replace("-", "").isalnum()
            text += (f".{step}" if text else step) if plain and isinstance(step, str) else f"[{json.dumps(step)}]"
        return text


@dataclass(frozen=True)
class Change:
    """What a plan does to one resource instance (or, with no type, to one output)."""

    address: str
    type: str
    action: str  # one of ORDER
    attributes: tuple[Attribute, ...]
    reason: str = ""

    @property
    def destructive(self) -> bool:
        return self.action in ("destroy", "replace", "forget")

    @property
    def stateful(self) -> bool:
        return self.type.startswith(_STATEFUL_PREFIXES)


class _Side(NamedTuple):
    """One side of a diff at one place: its value, and what the plan's two trees of marks say about it."""

    value: Any
    sensitive: Any = False
    unknown: Any = False

    def at(self, step: str | int) -> _Side:
        return _Side(_child(self.value, step), _part(self.sensitive, step), _part(self.unknown, step))


_ABSENT = _Side(None)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) else None


def _part(marks: Any, step: str | int) -> Any:
    """The sub-tree of a tree of marks (`after_unknown`, `before_sensitive`): true covers everything below it."""
    if marks is True:
        return True
    if isinstance(marks, dict):
        return marks.get(step, False)
    if isinstance(marks, list) and isinstance(step, int):
        return marks[step] if step < len(marks) else False
    return False


def _has(marks: Any) -> bool:
    """Whether anything below is marked."""
    if isinstance(marks, dict):
        return any(map(_has, marks.values()))
    if isinstance(marks, list):
        return any(map(_has, marks))
    return marks is True


def _parsed(side: _Side) -> _Side:
    """A string that holds an object or a list as JSON (an IAM policy, say) as that: its parts are told, or hidden."""
    text = side.value
    if isinstance(text, str) and text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            return _Side(json.loads(text))
        except ValueError:
            pass
    return side


class _Differ:
    """Walks before and after together. Holds the secrets found so far, to find them again in other attributes."""

    def __init__(self, known_secrets: Sequence[str] = ()) -> None:
        self.known_secrets = known_secrets

    def known(self, text: str) -> bool:
        return any(secret in text for secret in self.known_secrets)

    def hidden(self, path: Path, value: Any) -> bool:
        names = [step for step in path if isinstance(step, str)]
        return secret_value(names, value) or (isinstance(value, str) and self.known(value))

    def step(self, key: str) -> str:
        """A key of a map, unless somebody used a secret as one."""
        return "(hidden)" if secret_text(key) or self.known(key) else key

    def leaves(self, path: Path, before: _Side, after: _Side) -> Iterator[Attribute]:
        if before.value == after.value and type(before.value) is type(after.value) and not _has(after.unknown):
            return
        if after.unknown is True:
            after = _Side(UNKNOWN, after.sensitive)
        if before.sensitive is True or after.sensitive is True:
            yield Attribute(path, before.value, after.value, hidden=True)
            return
        before, after = _parsed(before), _parsed(after)
        shapes = {type(side.value) for side in (before, after) if side.value is not None}
        if shapes == {dict} or (not shapes and isinstance(after.unknown, dict)):
            marks = after.unknown if isinstance(after.unknown, dict) else {}
            for key in sorted({*(before.value or {}), *(after.value or {}), *marks}):
                steps = map(self.step, (*_label(after.value or before.value or {}, key), key))
                yield from self.leaves((*path, *steps), before.at(key), after.at(key))
        elif shapes == {list}:
            yield from self._items(path, before, after)
        elif shapes & {dict, list}:
            # A container on one side, a scalar or an unknown on the other: each side in rows of its own.
            yield from self.leaves(path, before, _ABSENT)
            yield from self.leaves(path, _ABSENT, after)
        else:
            hidden = self.hidden(path, before.value) or self.hidden(path, after.value)
            yield Attribute(path, before.value, after.value, hidden)

    def _items(self, path: Path, before: _Side, after: _Side) -> Iterator[Attribute]:
        """Lists, and sets, which plan JSON writes as lists: what both have is left out, the rest is paired in order."""
        old_items, new_items = before.value or [], after.value or []
        old = list(range(len(old_items)))
        new = []
        for index, value in enumerate(new_items):
            known = not _has(_part(after.unknown, index))
            same = next((position for position in old if known and old_items[position] == value), None)
            if same is None:
                new.append(index)
            else:
                old.remove(same)
        if old_items and not old and not new:  # the same elements in another order: told by position, without values
            order = f"in the order {[old_items.index(value) for value in new_items]}"
            yield Attribute(path, "the same elements", order, hidden=False)
        for left, right in zip_longest(old, new):
            index = left if right is None else right
            yield from self.leaves(
                (*path, index),
                _ABSENT if left is None else before.at(left),
                _ABSENT if right is None else after.at(right),
            )


def _label(item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The name beside a value, `{"name": "DB_PASSWORD", "value": …}`: it tells what the value is."""
    if key.lower() != "value":
        return ()
    return tuple(str(item[name]) for name in item if name.lower() in ("name", "key") and isinstance(item[name], str))


def _marked(value: Any, marks: Any) -> Iterator[str]:
    """The strings under a mark."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _marked(item, _part(marks, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _marked(item, _part(marks, index))
    elif marks is True and isinstance(value, str):
        yield value


def _known_secrets(plan: Plan) -> list[str]:
    """Values that the plan marks as sensitive in one place: hidden in every other place as well.

    Marks get lost on the way through a provider (an endpoint that repeats a password). Shorter ones than 6 characters
    are words like `true` and would hide half of the report.
    """
    found: set[str] = set()
    everything = [*plan.get("resource_changes", ()), *plan.get("resource_drift", ())]
    for change in [each["change"] for each in everything] + list(plan.get("output_changes", {}).values()):
        for side in ("before", "after"):
            found.update(_marked(change.get(side), change.get(f"{side}_sensitive", False)))
    declared = plan.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in plan.get("variables", {}).items():
        if declared.get(name, {}).get("sensitive"):
            found.update(_marked(variable.get("value"), True))
    return sorted(value for value in found if len(value) >= 6)


def _reason(change: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    paths = change.get("replace_paths") or ()
    if paths:
        return "because of " + ", ".join(Attribute(tuple(path), None, None, False).name for path in paths)
    if resource.get("action_reason"):
        return str(resource["action_reason"]).replace("_", " ")
    if resource.get("previous_address"):
        return f"moved from {resource['previous_address']}"
    return f"import of {change['importing'].get('id', '')}" if change.get("importing") else ""


def _action(change: Mapping[str, Any], resource: Mapping[str, Any]) -> str | None:
    actions = tuple(change["actions"])
    if actions in (("no-op",), ("read",)):
        if change.get("importing"):
            return "import"
        return "move" if resource.get("previous_address") else None
    if actions not in ACTIONS:
        raise OpsError(f"The plan has an action that is not known here: {actions}. Add it to ops/report/changes.py.")
    return ACTIONS[actions]


def read(plan: Plan, key: str = "resource_changes") -> tuple[Change, ...]:
    """The changes of a plan, worst first. `key` is `resource_changes`, or `resource_drift` for what changed outside.

    Raises OpsError for a plan of another format, and for one that its engine marked as errored.
    """
    version = str(plan.get("format_version", ""))
    if not version.startswith("1."):
        raise OpsError(f"Plan JSON of format '{version}' cannot be read: format 1.x is what this report knows.")
    if plan.get("errored"):
        raise OpsError("The plan ended with an error, so it does not say all that would change.")
    differ = _Differ(_known_secrets(plan))
    found = []
    for resource in plan.get(key, ()):
        change = resource["change"]
        action = _action(change, resource)
        if action is None or resource.get("mode") == "data":
            continue
        attributes, reason = _attributes(change, differ), _reason(change, resource)
        found.append(Change(_address(resource, differ), resource["type"], action, attributes, reason))
    return tuple(sorted(found, key=lambda each: (ORDER.index(each.action), not each.stateful, each.address)))


def outputs(plan: Plan) -> tuple[Change, ...]:
    """The changes of the outputs of a plan: what the units that depend on this one would see."""
    differ = _Differ(_known_secrets(plan))
    return tuple(
        Change(f"output.{name}", "", ACTIONS[tuple(change["actions"])], _attributes(change, differ, (name,)))
        for name, change in sorted(plan.get("output_changes", {}).items())
        if change["actions"] != ["no-op"]
    )


def _attributes(change: Mapping[str, Any], differ: _Differ, path: Path = ()) -> tuple[Attribute, ...]:
    before = _Side(change.get("before"), change.get("before_sensitive", False))
    after = _Side(change.get("after"), change.get("after_sensitive", False), change.get("after_unknown", False))
    return tuple(each for each in differ.leaves(path, before, after) if (each.before, each.after) != (None, None))


def _address(resource: Mapping[str, Any], differ: _Differ) -> str:
    """The address, and for an old object beside a new one its key. A secret used as a `for_each` key is hidden."""
    address = str(resource["address"])
    name, _, key = address.partition("[")
    if key and (secret_text(key) or differ.known(key)):
        address = f"{name}[(hidden)]"
    return f"{address} (deposed {resource['deposed']})" if resource.get("deposed") else address


def digests(plan: Plan) -> dict[str, dict[str, str]]:
    """What identifies each change, to tell whether a later plan would do the same: see `same` and `remainder`.

    Compared is what a reviewer decides on: the action, and every attribute with its old and new value. Noise is left
    out: attributes that stay, the order of resources, when the plan was made and by which engine. Of a resource to
    destroy it is the identity. `result` is what the resource will be, whatever it was.
    """
    found = {}
    for resource in plan.get("resource_changes", ()):
        change = resource["change"]
        if resource.get("mode") == "data" or (action := _action(change, resource)) is None:
            continue
        if resource.get("action_reason") == "replace_because_tainted":
            action = "create"  # the creation that a failed apply did not finish
        content = (
            [(change.get("before") or {}).get(key) for key in ("id", "arn")]
            if action == "destroy"
            else _content(change)
        )
        found[f"{resource['address']} {resource.get('deposed', '')}".strip()] = {
            "action": action, "change": _digest(content), "result": _digest(_content({**change, "before": None})),
        }  # fmt: skip
    for name, change in plan.get("output_changes", {}).items():
        if change["actions"] != ["no-op"]:
            result = _digest(_content({**change, "before": None}))
            found[f"output.{name}"] = {"action": "output", "change": _digest(_content(change)), "result": result}
    return found


def remainder(now: Mapping[str, Mapping[str, str]], reviewed: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a plan only finishes what was reviewed, after an apply that stopped half-way.

    Each change is one of the reviewed ones, or creates what a reviewed creation or replacement was to create.
    """
    return all(
        address in reviewed
        and (
            change == reviewed[address]
            or (change["action"], change["result"]) == ("output", reviewed[address]["result"])
            or (
                change["action"] == "create"
                and reviewed[address]["action"] in ("create", "replace")
                and change["result"] == reviewed[address]["result"]
            )
        )
        for address, change in now.items()
    )


def _content(change: Mapping[str, Any]) -> list[Any]:
    return [[each.path, each.before, repr(each.after)] for each in _attributes(change, _Differ())]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()

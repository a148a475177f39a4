"""Moving users: every write to the live alias is a compare-and-swap, and can be undone exactly."""

from __future__ import annotations

import time

from botocore.exceptions import BotoCoreError, ClientError

from ops.release.function import ALIAS, Alias, Function
from ops.release.outcome import LostRace

PATIENCE = 60.0  # seconds of trying to put an alias back while AWS refuses or does not answer


class Traffic:
    """The live alias during one release: where it was, where it is, and what this release tried to make of it."""

    def __init__(self, function: Function, before: Alias) -> None:
        self.function = function
        self.before = before
        self.now = before
        self._attempted: list[Alias] = []

    def move(self, to: Alias) -> None:
        """Make the alias `to`. Raises LostRace if it is not what this release last saw."""
        self._attempted.append(to)
        self.now = self._swap(to, self.now.revision)

    def accept(self, to: Alias) -> None:
        """Make the alias `to`, and from now on go back to that."""
        self.move(to)
        self.before = self.now
        self._attempted.clear()

    def restore(self) -> bool:
        """Put back exactly what was there, unless somebody else has moved the alias since.

        Returns whether the alias is as this release found it, or somebody else's. False: AWS did not take it back.
        """
        deadline = time.monotonic() + PATIENCE
        pause = 0.2
        while True:
            try:
                found = self.function.alias()
                if found == self.before or found not in self._attempted:
                    return True
                self.now = self._swap(self.before, found.revision)
            except LostRace:
                continue  # what is there now decides
            except (ClientError, BotoCoreError):
                if time.monotonic() > deadline:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
            else:
                return True

    def _swap(self, to: Alias, revision: str) -> Alias:
        client = self.function.client
        try:
            answer = client.update_alias(
                FunctionName=self.function.name,
                Name=ALIAS,
                FunctionVersion=to.version,
                RoutingConfig={"AdditionalVersionWeights": to.weights},
                Description=to.description,
                RevisionId=revision,
            )
        except (client.exceptions.PreconditionFailedException, client.exceptions.ResourceConflictException):
            # Another release, or this one: a request whose answer was lost is sent again and finds its own work done.
            found = self.function.alias()
            if found == to:
                return found
            raise LostRace(f"The alias '{ALIAS}' was moved by another release") from None
        return Alias.read(answer)

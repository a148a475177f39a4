"""What ends a command early: one sentence on what is wrong, one on what to do next."""


class OpsError(Exception):
    """The command cannot go on.

    The message is shown as it is, so it says what to do next. `exit_code` is what the process ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class BadInput(OpsError):
    """What the caller asked for makes no sense; nothing was changed. Exit code 2."""

    exit_code = 2

"""Calls to remote systems, repeated while there is hope: waits grow, with jitter and an end."""

from collections.abc import Callable
from typing import TypeVar

import stamina

from meterhouse.errors import SourceUnavailable

# Its own hooks print to standard output when structlog is installed, into the JSON of a command.
stamina.instrumentation.set_on_retry_hooks([])

T = TypeVar("T")


class Unanswered(SourceUnavailable):
    """One call that may work when it is made again; `wait` is what the server asked for, in
    seconds."""

    def __init__(self, source: str, reason: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(source, reason)


def repeated(call: Callable[[], T], attempts: int) -> T:
    """The result of the first call that answers; the last Unanswered when none does.

    Any other error is final and comes through at once.
    """

    def hope(error: Exception) -> bool | float:
        if not isinstance(error, Unanswered):
            return False
        return True if error.wait is None else error.wait

    for attempt in stamina.retry_context(
        on=hope, attempts=attempts, timeout=None, wait_initial=0.2, wait_max=30.0
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: the last attempt raises")

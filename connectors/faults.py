"""Faults of single files, kept until the good ones have been delivered."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.origin import FileRejected, FileUnavailable, listing
from meterhouse.errors import SourceRejected, SourceUnavailable


class Faults:
    """What was found wrong with the files of one source."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rejected: list[str] = []
        self._unavailable: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the fault of one file and go on; faults of the source as a whole come through."""
        try:
            yield
        except FileRejected as error:
            self._rejected.append(error.reason)
        except FileUnavailable as error:
            self._unavailable.append(error.reason)

    def raised(self) -> None:
        """One error that lists all; final as soon as one of them is."""
        if self._rejected:
            raise SourceRejected(self._source, _together(self._rejected + self._unavailable))
        if self._unavailable:
            raise SourceUnavailable(self._source, _together(self._unavailable))


def _together(reasons: list[str]) -> str:
    return reasons[0] if len(reasons) == 1 else f"{len(reasons)} files:{listing(reasons)}"

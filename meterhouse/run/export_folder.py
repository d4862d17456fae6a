"""A folder that changes as a whole: built beside its place, then put there in one step.

`<place>` is what readers open. `.<name>.part` is being built or was left by a kill, and goes with
the next export; `.<name>.old` exists for a moment, and only where two folders cannot be exchanged.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meterhouse.durable import fsync, make_folder
from meterhouse.errors import UsageError
from meterhouse.failpoints import failpoint

AT_FDCWD = -100
RENAME_EXCHANGE = 2
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def replacing(place: Path, *, exchanges: bool = True) -> Iterator[Path]:
    """An empty folder to fill; at the end of the block it stands at `place`.

    If the block raises, the place is as it was. `exchanges=False` does as on a system that cannot
    exchange two folders.
    """
    made, old = _beside(place, "part"), _beside(place, "old")
    try:
        make_folder(place.parent, _there(place.parent))
        settle(place)
        made.mkdir()
        yield made
        fsync(made)
        failpoint("export.verified")
        _put(made, place, old, exchanges)
    except PermissionError as error:
        raise UsageError(
            f"{error.filename or place} cannot be written by this user; what was exported before "
            "is unchanged. Name another folder with --to."
        ) from error
    finally:
        with suppress(OSError):  # What cannot be removed now goes with the next export.
            settle(place)


def settle(place: Path) -> None:
    """Undo what a kill left: an old folder goes back to an empty place, half a new one goes."""
    old = _beside(place, "old")
    if old.is_dir() and not place.exists():
        old.rename(place)
        fsync(place.parent)
    for path in (_beside(place, "part"), old):
        if path.is_dir():
            shutil.rmtree(path)


def _put(made: Path, place: Path, old: Path, exchanges: bool) -> None:
    """Put the new folder in place; afterwards what it replaced has another name."""
    if not place.exists():
        made.rename(place)
    elif not (exchanges and _exchange(made, place)):
        place.rename(old)
        failpoint("export.moved")
        made.rename(place)
    fsync(place.parent)
    failpoint("export.swapped")


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, as Linux can; False where it cannot."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    if function(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f".{place.name}.{kind}")


def _there(folder: Path) -> Path:
    """The nearest folder above that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder

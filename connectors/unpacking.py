"""The unpacked bytes of a file, piece by piece, measured and hashed on the way."""

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from connectors.limits import MIB, Limits
from connectors.origin import Origin
from connectors.protocols import SourceFile
from meterhouse.errors import SourceRejected

GZIP_MAGIC = b"\x1f\x8b"


class Identity(NamedTuple):
    """What changes when a file is written to or replaced."""

    device: int
    inode: int
    size: int
    modified_ns: int


def identity(origin: Origin, path: Path) -> Identity:
    """The identity of the regular file now at a path; anything else there is refused."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise origin.unavailable(f"cannot be read ({error.strerror})") from error
    if stat.S_ISLNK(found.st_mode):
        raise origin.rejected("is a symbolic link; put the file itself into the folder")
    if not stat.S_ISREG(found.st_mode):
        raise origin.rejected("is not a regular file; take it out of the folder")
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def open_regular(origin: Origin, path: Path) -> IO[bytes]:
    """A file opened without following a link put there since it was listed."""
    identity(origin, path)
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise origin.unavailable(f"cannot be read ({error.strerror})") from error


def unpacked(origin: Origin, path: Path, limits: Limits) -> Iterator[bytes]:
    """Pieces of at most 1 MiB; a file that changes meanwhile is unavailable."""
    before = identity(origin, path)
    is_gzip = path.name.lower().endswith(".gz")
    size = min(MIB, limits.max_line_bytes)
    total = 0
    try:
        with open_regular(origin, path) as packed:
            stream: IO[bytes] = gzip.GzipFile(fileobj=packed) if is_gzip else packed  # type: ignore[assignment]
            while piece := _piece(origin, stream, size):
                if total == 0 and piece.startswith(GZIP_MAGIC):
                    raise origin.rejected(_PACKED_TWICE if is_gzip else _UNNAMED_GZIP)
                total += len(piece)
                _check_size(origin, total, before.size, limits)
                yield piece
    except SourceRejected as error:
        if identity(origin, path) != before:
            raise origin.changing() from error
        raise
    if identity(origin, path) != before:
        raise origin.changing()


def content_of(origin: Origin, path: Path, limits: Limits) -> tuple[str, int]:
    """The SHA-256 and the length of the unpacked bytes."""
    digest, total = hashlib.sha256(), 0
    for piece in unpacked(origin, path, limits):
        digest.update(piece)
        total += len(piece)
    return digest.hexdigest(), total


def verified(origin: Origin, file: SourceFile, limits: Limits) -> Iterator[bytes]:
    """The unpacked bytes; at their end they must have been what was listed."""
    digest = hashlib.sha256()
    for piece in unpacked(origin, file.path, limits):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != file.content_sha256:
        raise origin.changing()


_PACKED_TWICE = "is packed with gzip twice; unpack it once"
_UNNAMED_GZIP = "is packed with gzip but its name does not end in .gz; rename it"


def _piece(origin: Origin, stream: IO[bytes], size: int) -> bytes:
    # BadGzipFile is an OSError, so it must be caught before those that may be retried.
    try:
        return stream.read(size)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise origin.rejected(f"is damaged gzip ({error}); send it again") from error
    except EOFError as error:
        raise origin.rejected("is gzip that ends too early; send it again") from error
    except OSError as error:
        raise origin.unavailable(f"cannot be read ({error.strerror})") from error


def _check_size(origin: Origin, total: int, packed: int, limits: Limits) -> None:
    if total > limits.max_bytes_unpacked:
        raise origin.rejected(
            f"is longer than {limits.max_bytes_unpacked} bytes unpacked; "
            "split it or raise max_bytes_unpacked"
        )
    if total > limits.ratio_checked_above and total > packed * limits.max_ratio:
        raise origin.rejected(
            f"unpacks to more than {limits.max_ratio} times its {packed} bytes; "
            "if it is genuine raise max_ratio"
        )

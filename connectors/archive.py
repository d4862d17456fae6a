"""The zip that a workbook is: every part is inflated and measured before anything reads it."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from connectors.limits import MIB, Limits
from connectors.origin import Origin

OLE_MAGIC = b"\xd0\xcf\x11\xe0"
HEADER = 30
PACKED_PIECE = 64 * 1024
MAX_PARTS = 10_000
DAMAGED = "is a damaged workbook ({}); save it again as .xlsx"


class Archive:
    """The parts of a workbook by name in lower case; names do not differ by case alone."""

    def __init__(self, origin: Origin, opened: IO[bytes], packed: int, limits: Limits) -> None:
        self._origin = origin
        self._opened = opened
        self._parts = {part.filename.lower(): part for part in self._listed()}
        self._check_sizes(packed, limits)
        for name in self._parts:
            for _ in self.pieces(name):  # a part that holds more than it declares is a bomb
                pass

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._parts

    def pieces(self, name: str) -> Iterator[bytes]:
        """The unpacked bytes of a part; its length and checksum must be what the zip says."""
        part = self._parts.get(name.lower())
        if part is None:
            raise self.damaged(f"part {name!r} is missing")
        total, checksum = 0, 0
        for piece in self._inflated(part):
            total += len(piece)
            if total > part.file_size:
                raise self.damaged(f"part {name!r} is longer than it says")
            checksum = zlib.crc32(piece, checksum)
            yield piece
        if total != part.file_size or checksum != part.CRC:
            raise self.damaged(f"part {name!r} does not have its checksum")

    def damaged(self, why: str) -> Exception:
        """The refusal of a file that is no whole workbook."""
        return self._origin.rejected(DAMAGED.format(why))

    def _listed(self) -> list[zipfile.ZipInfo]:
        magic = self._opened.read(4)
        if magic == OLE_MAGIC:
            raise self._origin.rejected(
                "is protected by a password or an old .xls workbook; "
                "save it as .xlsx without a password"
            )
        try:
            parts = zipfile.ZipFile(self._opened).infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise self._origin.rejected(
                f"is no .xlsx workbook or is cut off ({error}); save it again as .xlsx"
            ) from error
        names = [part.filename.lower() for part in parts]
        if len(names) > MAX_PARTS:
            raise self.damaged(f"it has {len(names)} parts, more than {MAX_PARTS}")
        if len(set(names)) < len(names):
            raise self.damaged("two parts have one name")
        for part in parts:
            self._check_part(part)
        return parts

    def _check_part(self, part: zipfile.ZipInfo) -> None:
        if part.orig_filename.startswith("/") or {"..", ""} & set(
            part.filename.rstrip("/").replace("\\", "/").split("/")
        ):
            raise self.damaged(f"part {part.filename!r} has a path that leaves the workbook")
        if part.flag_bits & 1:
            raise self._origin.rejected("is protected by a password; save it without one")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.damaged(f"part {part.filename!r} is packed in an unknown way")

    def _check_sizes(self, packed: int, limits: Limits) -> None:
        total = sum(part.file_size for part in self._parts.values())
        most = min(limits.max_bytes_unpacked, limits.max_workbook_bytes)
        if total > most:
            raise self._origin.rejected(
                f"holds {total} bytes unpacked, more than the {most} that a workbook may have; "
                "split it, or send CSV or Parquet"
            )
        if total > limits.ratio_checked_above and total > packed * limits.max_ratio:
            raise self._origin.rejected(
                f"unpacks to more than {limits.max_ratio} times its {packed} bytes; "
                "if it is genuine raise max_ratio"
            )

    def _inflated(self, part: zipfile.ZipInfo) -> Iterator[bytes]:
        packed = self._packed(part)
        if part.compress_type == zipfile.ZIP_STORED:
            yield from packed
            return
        inflate, rest = zlib.decompressobj(-zlib.MAX_WBITS), b""
        try:
            while not inflate.eof:
                rest = rest or next(packed, b"")
                piece = inflate.decompress(rest, MIB)
                if not (rest or piece):
                    raise self.damaged(f"part {part.filename!r} ends too early")
                rest = inflate.unconsumed_tail
                yield piece
        except zlib.error as error:
            raise self.damaged(f"part {part.filename!r}: {error}") from error

    def _packed(self, part: zipfile.ZipInfo) -> Iterator[bytes]:
        self._opened.seek(part.header_offset)
        header = self._opened.read(HEADER)
        if len(header) < HEADER:
            raise self.damaged(f"part {part.filename!r} is not where the zip says")
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        at, left = part.header_offset + HEADER + names, part.compress_size
        while left > 0:
            self._opened.seek(at)
            piece = self._opened.read(min(PACKED_PIECE, left))
            if not piece:
                raise self.damaged(f"part {part.filename!r} ends too early")
            at, left = at + len(piece), left - len(piece)
            yield piece

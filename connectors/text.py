"""Unpacked bytes that must be UTF-8 text with lines of bounded length."""

import codecs
from collections.abc import Iterator

from connectors.limits import Limits
from connectors.origin import Origin


def utf8(
    origin: Origin, pieces: Iterator[bytes], limits: Limits, *, refuse_nul: bool
) -> Iterator[bytes]:
    """The same bytes without a byte order mark, checked piece by piece."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, open_bytes, is_first = 1, 0, True
    for piece in pieces:
        if is_first:
            piece = _without_mark(origin, piece)
            is_first = False
        _check_encoding(origin, decoder, piece, line, is_last=False)
        if refuse_nul and (at := piece.find(b"\0")) >= 0:
            raise origin.rejected(
                "holds a NUL byte; send plain UTF-8 text", line=line + piece.count(b"\n", 0, at)
            )
        # Pieces are never longer than the limit, so only a line begun earlier can pass it.
        first_end = piece.find(b"\n")
        if open_bytes + (len(piece) if first_end < 0 else first_end) > limits.max_line_bytes:
            raise origin.rejected(
                f"is longer than {limits.max_line_bytes} bytes; mend it or raise max_line_bytes",
                line=line,
            )
        open_bytes = open_bytes + len(piece) if first_end < 0 else _after_last_end(piece)
        line += piece.count(b"\n")
        yield piece
    _check_encoding(origin, decoder, b"", line, is_last=True)


def _after_last_end(piece: bytes) -> int:
    return len(piece) - piece.rfind(b"\n") - 1


def _without_mark(origin: Origin, piece: bytes) -> bytes:
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise origin.rejected("is UTF-16 text; save it as UTF-8")
    return piece.removeprefix(codecs.BOM_UTF8)


def _check_encoding(
    origin: Origin, decoder: codecs.IncrementalDecoder, piece: bytes, line: int, *, is_last: bool
) -> None:
    try:
        decoder.decode(piece, is_last)
    except UnicodeDecodeError as error:
        at = line + error.object.count(b"\n", 0, error.start)
        byte = error.object[error.start]
        raise origin.rejected(
            f"is not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8", line=at
        ) from error

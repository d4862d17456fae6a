"""The bytes of an answer: whole, unpacked, of bounded size and in bounded time, or a fault."""

import http.client
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress

import requests
import urllib3.exceptions

from connectors.http_asked import Asked
from meterhouse.errors import SourceRejected, SourceUnavailable
from meterhouse.source_settings import HttpPlace

PIECE = 64 * 1024
MIN_RATE = 8 * 1024  # bytes a second, on average after the first `timeout_seconds`
BROKEN = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


def body_of(response: requests.Response, asked: Asked, place: HttpPlace) -> bytes:
    """The whole body; a cut one is Unanswered, one that is too long is refused."""
    return b"".join(_unpacked(response, asked, place))


def beginning_of(response: requests.Response, asked: Asked, place: HttpPlace) -> bytes:
    """As much of a body as a message may need; whatever goes wrong, what came before it."""
    kept = b""
    with suppress(SourceRejected, SourceUnavailable):
        for piece in _unpacked(response, asked, place):
            kept += piece
            if len(kept) >= PIECE:
                break
    return kept[:PIECE]


def _unpacked(response: requests.Response, asked: Asked, place: HttpPlace) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise asked.rejected(f"is packed as {encoding[:40]!r}, which nobody asked for")
    gzip = Gunzip() if encoding.endswith("gzip") else None
    room = place.max_page_bytes
    for piece in _packed(response, asked, place):
        try:
            piece = gzip.feed(piece, room + 1) if gzip is not None else piece
        except zlib.error as error:
            raise asked.unanswered(f"is damaged gzip ({error})") from error
        room -= len(piece)
        if room < 0:
            raise _too_long(asked, place)
        yield piece
    if gzip is not None and not gzip.is_whole:
        raise asked.unanswered("was cut: its gzip ends too early")


def _packed(response: requests.Response, asked: Asked, place: HttpPlace) -> Iterator[bytes]:
    """The bytes on the wire. Each read waits `timeout_seconds` at most, all together no longer
    than that and what their number takes at MIN_RATE."""
    started, received = time.monotonic(), 0
    while True:
        try:
            # read1 returns what has come: read would wait for a whole piece, a byte at a time.
            piece = response.raw.read1(PIECE, decode_content=False)
        except BROKEN as error:
            raise asked.unanswered(
                f"was cut after {received} bytes ({type(error).__name__})"
            ) from error
        if not piece:
            return
        received += len(piece)
        if received > place.max_page_bytes:
            raise _too_long(asked, place)
        if time.monotonic() - started > place.timeout_seconds + received / MIN_RATE:
            raise asked.unanswered(f"comes too slowly: {received} bytes so far")
        yield piece


def _too_long(asked: Asked, place: HttpPlace) -> SourceRejected:
    return asked.rejected(
        f"is longer than {place.max_page_bytes} bytes; ask for smaller pages (size_parameter, "
        "size) or raise max_page_bytes"
    )


class Gunzip:
    """Unpacks gzip of one or more members without ever holding more than it was asked for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def is_whole(self) -> bool:
        """Whether the last member that began has come to its end."""
        return self._member.eof

    def feed(self, packed: bytes, most: int) -> bytes:
        """What these bytes unpack to; at `most` bytes it stops and the rest is lost."""
        kept = b""
        while packed and len(kept) < most:
            if self._member.eof:
                self._member = zlib.decompressobj(31)
            kept += self._member.decompress(packed, most - len(kept))
            packed = self._member.unused_data
        return kept

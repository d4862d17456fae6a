"""What an S3 server states about the bytes of an object, and whether a file has them."""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from connectors.crc import crc32c, crc64nvme
from connectors.limits import MIB

ETAG = re.compile(r'"?([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?"?')
# Objects encrypted with a key of the customer or of KMS have an ETag that is no digest.
PLAIN_ENCRYPTION = (None, "AES256")


class Digest(Protocol):
    """What hashlib gives, as far as it is used here."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class Crc32:
    """zlib's CRC-32 in the shape of hashlib."""

    def __init__(self) -> None:
        self._state = 0

    def update(self, data: bytes) -> None:
        """Go on with more bytes."""
        self._state = zlib.crc32(data, self._state)

    def digest(self) -> bytes:
        """The check of all bytes so far, big-endian."""
        return self._state.to_bytes(4, "big")


def _md5() -> Digest:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Digest:
    return hashlib.sha1(usedforsecurity=False)


# By the field of boto3's answer, best first.
CHECKSUMS: dict[str, Callable[[], Digest]] = {
    "ChecksumSHA256": hashlib.sha256,
    "ChecksumSHA512": hashlib.sha512,
    "ChecksumSHA1": _sha1,
    "ChecksumMD5": _md5,
    "ChecksumCRC32": Crc32,
    "ChecksumCRC32C": crc32c,
    "ChecksumCRC64NVME": crc64nvme,
}


class Stated(NamedTuple):
    """A digest of the whole body, or of the digests of its parts."""

    algorithm: Callable[[], Digest]
    digest: bytes
    parts: int | None


def stated(answer: Mapping[str, Any], *, etag_may_be_md5: bool) -> Stated | None:
    """The digest a body is checked by: MD5 in the ETag, else a checksum; whole before by parts."""
    found = [*_of_etag(answer, etag_may_be_md5), *_of_checksums(answer)]
    return min(found, key=lambda one: one.parts is not None, default=None)


def _of_etag(answer: Mapping[str, Any], etag_may_be_md5: bool) -> Iterator[Stated]:
    plain = answer.get("ServerSideEncryption") in PLAIN_ENCRYPTION
    if etag_may_be_md5 and plain and "SSECustomerAlgorithm" not in answer:
        match = ETAG.fullmatch(answer.get("ETag", ""))
        if match is not None:
            parts = None if match[2] is None else int(match[2])
            yield Stated(_md5, bytes.fromhex(match[1]), parts)


def _of_checksums(answer: Mapping[str, Any]) -> Iterator[Stated]:
    """Checksums that can be read; one that ends in -N is of the checksums of N parts."""
    for field, algorithm in CHECKSUMS.items():
        encoded, _, parts = answer.get(field, "").partition("-")
        try:
            digest = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        if len(digest) == len(algorithm().digest()) and (parts == "" or parts.isdecimal()):
            yield Stated(algorithm, digest, int(parts) if parts else None)


def agrees(said: Stated, path: Path, layouts: Callable[[int], Iterable[list[int]]]) -> bool | None:
    """Whether a file has the digest that was stated; None where nobody can say.

    `layouts` gives for a number of parts the sizes in bytes that they may have.
    """
    if said.parts is None:
        with path.open("rb") as file:
            return _digest_of(said.algorithm, file, path.stat().st_size) == said.digest
    outcome = None
    for sizes in layouts(said.parts):
        outcome = _digest_of_parts(said, path, sizes) == said.digest
        if outcome:
            break
    return outcome


def layouts(size: int, parts: int, part_size: Callable[[int], int | None]) -> Iterator[list[int]]:
    """The sizes of the parts of an object: all alike but the last, then each as the server says.

    Nearly all objects are of the first kind, which costs one question instead of one per part.
    """
    first = part_size(1)
    if first is None:
        return
    if first * (parts - 1) < size <= first * parts:
        yield [first] * (parts - 1) + [size - first * (parts - 1)]
    sizes = [first, *(part_size(number) or 0 for number in range(2, parts + 1))]
    if sum(sizes) == size:
        yield sizes


def _digest_of_parts(said: Stated, path: Path, sizes: list[int]) -> bytes:
    outer = said.algorithm()
    with path.open("rb") as file:
        for size in sizes:
            outer.update(_digest_of(said.algorithm, file, size))
    return outer.digest()


def _digest_of(algorithm: Callable[[], Digest], file: IO[bytes], size: int) -> bytes:
    digest = algorithm()
    while size > 0 and (piece := file.read(min(MIB, size))):
        size -= len(piece)
        digest.update(piece)
    return digest.digest()

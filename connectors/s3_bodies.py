"""The bytes of one object: fetched again while there is hope, taken only when verified."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from connectors.origin import Origin
from connectors.retrying import repeated
from connectors.s3_answers import OTHER_BYTES, Unfit
from connectors.s3_bucket import Bucket, Listed
from connectors.s3_digests import agrees, layouts, stated


class Bodies:
    """Puts objects of one bucket into files."""

    def __init__(self, source: str, bucket: Bucket, attempts: int) -> None:
        self._source = source
        self._bucket = bucket
        self._attempts = attempts

    def writer(self, origin: Origin, listed: Listed) -> Callable[[IO[bytes]], str]:
        """What puts an object into a file: as it is now, should it have changed since."""
        latest: Listed | None = listed

        def attempt(file: IO[bytes]) -> str:
            nonlocal latest
            latest = latest or self._bucket.now(listed.key)
            if latest is None:
                raise origin.unavailable("was listed and is no longer there")
            found, latest = latest, None
            self._download(origin, found, file)
            return found.fingerprint

        def write(file: IO[bytes]) -> str:
            try:
                return repeated(lambda: attempt(file), self._attempts)
            except Unfit as error:
                raise origin.unavailable(error.reason) from error

        return write

    def _download(self, origin: Origin, found: Listed, file: IO[bytes]) -> None:
        """The whole body, with the length that was listed and the digest that is stated."""
        answer = self._bucket.opened(origin, found)
        said = stated(answer, etag_may_be_md5=self._bucket.etags_may_be_md5)
        try:
            file.seek(0)
            file.truncate()
            for piece in self._bucket.pieces(answer, found.size):
                file.write(piece)
            file.flush()
        except OSError as error:
            raise origin.unavailable(
                f"cannot be written to the spool ({os.strerror(error.errno or 0)})"
            ) from error

        def parts_of(parts: int) -> Iterator[list[int]]:
            return layouts(
                found.size,
                parts,
                lambda number: self._bucket.part_size(origin, found, number, parts),
            )

        verified = None if said is None else agrees(said, Path(file.name), parts_of)
        if verified is None:
            raise origin.rejected(
                "comes without a digest that its bytes can be checked by; "
                "store it again with a checksum (SHA-256 or CRC-64/NVME)"
            )
        if not verified:
            raise Unfit(self._source, OTHER_BYTES)

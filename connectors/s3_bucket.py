"""One bucket as a connector sees it: few calls, each with a time-out and a plain outcome."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from connectors.limits import MIB
from connectors.origin import Origin
from connectors.s3_answers import CHANGED, Answers, Cut, Unfit, status_of
from meterhouse.source_settings import S3Place

KNOWS_NO_PARTS = {400, 416, 501}


class Listed(NamedTuple):
    """An object as the listing names it."""

    key: str
    etag: str  # with its quotes
    size: int  # bytes as stored
    modified: str  # UTC, to the second

    @property
    def fingerprint(self) -> str:
        """What changes when the object is overwritten: canonical JSON."""
        return json.dumps(self._asdict(), sort_keys=True, separators=(",", ":"))


class Bucket:
    """The bucket and prefix of a source; nothing is asked before the first call."""

    def __init__(self, source: str, place: S3Place, credentials: tuple[str, str] | None) -> None:
        self._source = source
        self._place = place
        self._credentials = credentials
        self._answers = Answers(source, place, has_credentials=credentials is not None)

    @cached_property
    def _client(self) -> Any:
        key, secret = self._credentials or (None, None)
        config = Config(
            connect_timeout=self._place.timeout_seconds,
            read_timeout=self._place.timeout_seconds,
            # Repeating is ours (retrying.py): boto3 does not repeat a body that was cut short.
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path" if self._place.endpoint else "auto"},
            # Bodies are checked by s3_digests.py, which also reads checks that botocore does not.
            response_checksum_validation="when_required",
        )
        with self._answers.awaited():
            return boto3.session.Session().client(
                "s3",
                endpoint_url=self._place.endpoint,
                region_name=self._place.region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=config,
            )

    @property
    def etags_may_be_md5(self) -> bool:
        """False for directory buckets (S3 Express), whose ETags only look like a digest."""
        return not self._place.bucket.endswith("--x-s3")

    def page(self, token: str | None) -> tuple[list[Listed], str | None]:
        """Up to a thousand objects below the prefix, and the token of the next page."""
        more = {} if token is None else {"ContinuationToken": token}
        return self._list(Prefix=self._place.prefix, **more)

    def now(self, key: str) -> Listed | None:
        """One object as it is listed now."""
        entries, _ = self._list(Prefix=key, MaxKeys=1)
        return next((entry for entry in entries if entry.key == key), None)

    def opened(self, origin: Origin, found: Listed) -> dict[str, Any]:
        """The answer with the body of an object, refused when it is not what was listed."""
        with self._answers.awaited(origin):
            answer: dict[str, Any] = self._client.get_object(
                Bucket=self._place.bucket,
                Key=found.key,
                IfMatch=found.etag,
                ChecksumMode="ENABLED",
            )
        # Some servers ignore IfMatch.
        etag = str(answer.get("ETag")).strip('"')
        if etag != found.etag.strip('"') or answer.get("ContentLength") != found.size:
            answer["Body"].close()
            raise Unfit(self._source, CHANGED)
        return answer

    def pieces(self, answer: dict[str, Any], size: int) -> Iterator[bytes]:
        """The body, at most 1 MiB at a time and exactly `size` bytes in all."""
        body, received = answer["Body"], 0
        try:
            while piece := self._piece(body, received, size):
                received += len(piece)
                yield piece
        finally:
            body.close()
        if received != size:
            raise self._short(received, size)

    def part_size(self, origin: Origin, found: Listed, number: int, parts: int) -> int | None:
        """Bytes of one part of an object; None where the server does not tell parts."""
        with self._answers.awaited(origin):
            try:
                answer = self._client.head_object(
                    Bucket=self._place.bucket, Key=found.key, PartNumber=number
                )
            except ClientError as error:
                if status_of(error) in KNOWS_NO_PARTS:
                    return None
                raise
        return int(answer["ContentLength"]) if answer.get("PartsCount") == parts else None

    def _list(self, **arguments: Any) -> tuple[list[Listed], str | None]:
        with self._answers.awaited():
            answer = self._client.list_objects_v2(Bucket=self._place.bucket, **arguments)
            found = [_listed(entry) for entry in answer.get("Contents", [])]
            following = answer["NextContinuationToken"] if answer.get("IsTruncated") else None
            return found, following

    def _piece(self, body: Any, received: int, size: int) -> bytes:
        try:
            with self._answers.awaited():
                piece: bytes = body.read(MIB)
                return piece
        except Cut as error:
            raise self._short(received, size) from error

    def _short(self, received: int, size: int) -> Unfit:
        return Unfit(self._source, f"was cut short: {received} of {size} bytes came")


def _listed(entry: dict[str, Any]) -> Listed:
    modified: datetime = entry["LastModified"]
    text = modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Listed(entry["Key"], entry["ETag"], int(entry["Size"]), text)

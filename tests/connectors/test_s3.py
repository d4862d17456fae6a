"""Objects of a bucket: what is fetched, how it is verified, what is refused and in which words."""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stamina

from connectors.formats import Reading
from connectors.limits import Limits
from connectors.protocols import Statement
from connectors.s3 import S3Source
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.source_settings import S3Place
from tests.connectors.conformance import LATER, ROWS, Loader, Remote, Rows, SeparateFiles, wide_row
from tests.connectors.test_files import encode
from tests.servers.s3 import (
    ACCESS,
    SECRET,
    Faults,
    S3Server,
    cut,
    flipped,
    headed,
    no_answer,
    s3_faults,
    s3_server,
    says,
    stalled,
    strict_s3,
    without,
)

__all__ = ["s3_faults", "s3_server", "strict_s3"]
pytestmark = pytest.mark.slow

VARIABLES = {"access_key_variable": "S3_ACCESS_KEY", "secret_key_variable": "S3_SECRET_KEY"}
MIB = 2**20


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """As many attempts as are set, without the pauses between them."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


class BucketBench:
    """A new bucket on a server, read through an endpoint of choice."""

    read_again = ()

    def __init__(self, server: S3Server, spool: Path, endpoint: str | None = None) -> None:
        self.server, self.spool = server, spool
        self.bucket = server.bucket()
        self.endpoint = endpoint or server.endpoint
        self.client = server.client()

    def source(
        self,
        *,
        pattern: str = "*",
        reading: Reading = Reading(),  # noqa: B008 (frozen)
        credentials: tuple[str, str] = (ACCESS, SECRET),
        control: str | None = None,
        **place: Any,
    ) -> S3Source:
        given = {
            "bucket": self.bucket,
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "timeout_seconds": 5,
            "attempts": 3,
            **VARIABLES,
            **place,
        }
        return S3Source(
            "s3",
            S3Place(**given),
            self.spool,
            credentials=credentials,
            pattern=pattern,
            reading=reading,
            control=control,
        )

    def source_at(self, port: int) -> S3Source:
        endpoint = f"http://127.0.0.1:{port}"
        return self.source(endpoint=endpoint, timeout_seconds=1, attempts=2)

    def put(self, name: str, rows: Rows) -> None:
        self.put_bytes(f"{name}.csv", encode(rows, "csv"))

    def put_bytes(self, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def put_broken(self, name: str) -> None:
        self.put_bytes(f"{name}.csv", encode(ROWS, "csv") + b"\n\xff,\xff,\xff\n")

    def put_many(self, count: int) -> None:
        path = self.spool.parent / "many.csv"
        with path.open("wb") as file:
            file.write(encode([wide_row(0)], "csv") + b"\n")
            for number in range(1, count):
                file.write(encode([wide_row(number)], "csv").partition(b"\n")[2] + b"\n")
        self.client.upload_file(str(path), self.bucket, "many.csv")

    def put_parts(self, key: str, sizes: list[int], **more: Any) -> bytes:
        """An object uploaded in parts of these sizes; returns its bytes."""
        where = {"Bucket": self.bucket, "Key": key}
        upload = self.client.create_multipart_upload(**where, **more)["UploadId"]
        bodies = [encode([wide_row(n)], "csv").ljust(size, b"\n") for n, size in enumerate(sizes)]
        parts = []
        for number, body in enumerate(bodies, 1):
            part = {"PartNumber": number, "UploadId": upload}
            answer = self.client.upload_part(**where, **part, Body=body)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.client.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        return b"".join(bodies)

    def script(self) -> tuple[str, list[str]]:
        return BUCKET_SCRIPT, [self.endpoint, self.bucket, ACCESS, SECRET, str(self.spool)]

    def fetched(self, **how: Any) -> dict[str, bytes]:
        """The bytes of every delivery of one pull, by key."""
        return {file.name: file.path.read_bytes() for file in self.source(**how).pending()}

    def refused(self, **how: Any) -> str:
        with pytest.raises(SourceRejected) as caught:
            self.fetched(**how)
        return self._clean(caught.value)

    def unavailable(self, **how: Any) -> str:
        with pytest.raises(SourceUnavailable) as caught:
            self.fetched(**how)
        return self._clean(caught.value)

    def _clean(self, error: Exception) -> str:
        """The sentence; nothing was left behind and nothing secret is in what it carries."""
        assert [path for path in self.spool.rglob("*") if path.is_file()] == []
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        return str(error)


BUCKET_SCRIPT = """
from pathlib import Path
from connectors.formats import Reading
from connectors.s3 import S3Source
from meterhouse.source_settings import S3Place
endpoint, bucket, access, secret, spool = sys.argv[1:]
source = S3Source(
    "s3", S3Place(bucket=bucket, endpoint=endpoint, region="us-east-1"), Path(spool),
    credentials=(access, secret), pattern="*", reading=Reading(),
)
"""


@pytest.fixture
def bench(s3_server: S3Server, tmp_path: Path) -> BucketBench:
    return BucketBench(s3_server, tmp_path / "spool")


@pytest.fixture
def faulty_bench(s3_server: S3Server, s3_faults: Faults, tmp_path: Path) -> BucketBench:
    """A bucket behind the server that makes faults."""
    return BucketBench(s3_server, tmp_path / "spool", s3_faults.endpoint)


class TestS3Conforms(SeparateFiles, Remote):
    megabytes = 120

    @pytest.fixture
    def bench(self, s3_server: S3Server, tmp_path: Path) -> BucketBench:
        return BucketBench(s3_server, tmp_path / "spool")


def test_a_listing_of_many_pages_is_read_to_its_end(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    for number in range(10):
        faulty_bench.put(f"day={number}/a", [{**ROWS[0], "id": str(number)}])
    s3_faults.add("list", says(503), times=2)
    assert Loader(faulty_bench).ids() == [str(number) for number in range(10)]
    assert s3_faults.asked["list"] == 4 + 2


def test_only_the_prefix_and_the_pattern_and_whole_files_are_read(bench: BucketBench) -> None:
    wanted = ["in/2026/b c+é.csv", "in/2026/z.csv", "in/a.csv"]
    others = ["out/a.csv", "in/", "in/.a.csv", "in/~a.csv", "in/a.csv.tmp", "in/b.csv.part"]
    for key in [*wanted, *others, "in/notes.txt"]:
        bench.put_bytes(key, b"" if key.endswith("/") else encode(ROWS, "csv"))
    assert list(bench.fetched(prefix="in/", pattern="*.csv")) == wanted
    assert "'in/notes.txt' has no known suffix" in bench.refused(prefix="in/")
    with pytest.raises(UsageError, match="the last part of a key"):
        bench.source(pattern="in/*.csv")


def test_a_key_never_becomes_a_path(bench: BucketBench) -> None:
    for key in ("../../up.csv", "a/../../b.csv.gz", "c.csv"):
        body = encode(ROWS, "csv.gz" if key.endswith(".gz") else "csv")
        bench.put_bytes(key, body)
    paths = {file.name: file.path for file in bench.source().pending()}
    assert {path.parent for path in paths.values()} == {bench.spool}
    assert [path.name for path in paths.values()] == [
        "delivery.csv",
        "delivery.csv.gz",
        "delivery.csv",
    ]
    bench.put_bytes("d\u200e.csv", b"")
    assert "unprintable characters in its key" in bench.refused()


def test_a_late_and_an_overwritten_object_are_fetched_and_nothing_else(bench: BucketBench) -> None:
    bench.put("b", ROWS[:1])
    bench.put("c", ROWS[1:])
    loader = Loader(bench)
    assert loader.ids() == ["1", "2"]
    assert list(bench.source().pending(loader.cursors)) == []
    bench.put("a", LATER)
    bench.put("b", [{**ROWS[0], "id": "9"}])
    fetched = [file.name for file in bench.source().pending(loader.cursors)]
    assert fetched == ["a.csv", "b.csv"]
    assert loader.ids() == ["3", "9"]
    assert list(bench.source().pending(loader.cursors)) == []


def test_the_cursor_of_an_object_is_its_listing_as_canonical_json(bench: BucketBench) -> None:
    bench.put("a", ROWS)
    [file] = bench.source().pending()
    assert file.cursor is not None
    cursor = json.loads(file.cursor)
    body = encode(ROWS, "csv")
    assert cursor["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert (cursor["key"], cursor["size"]) == ("a.csv", len(body))
    assert file.cursor == json.dumps(cursor, sort_keys=True, separators=(",", ":"))


def flipped_bare(answer: Any) -> Any:
    """Other bytes, and no checksum but the ETag, so that boto3 by itself takes them."""
    return without("x-amz-checksum")(flipped(answer))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (cut, "file 'a.csv' was cut short: "),
        (flipped, "file 'a.csv' came with other bytes than its server states"),
        (flipped_bare, "file 'a.csv' came with other bytes than its server states"),
        (says(503), "answers 503"),
        (says(412), "file 'a.csv' changed while it was fetched"),
        (says(200, b""), "file 'a.csv' changed while it was fetched"),
        (headed(ETag='"0"'), "file 'a.csv' changed while it was fetched"),
    ],
)
def test_a_body_that_is_not_what_was_listed_is_asked_for_again_and_never_taken(
    faulty_bench: BucketBench,
    s3_faults: Faults,
    fault: Callable[[Any], Any],
    sentence: str,
) -> None:
    faulty_bench.put("a", ROWS)
    s3_faults.add("get", fault, times=2)
    assert faulty_bench.fetched() == {"a.csv": encode(ROWS, "csv")}
    assert s3_faults.asked["get"] == 3
    s3_faults.add("get", fault, times=3)
    assert sentence in faulty_bench.unavailable()
    assert s3_faults.entries == []


def test_a_server_that_falls_silent_in_the_middle_is_unavailable(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put("a", ROWS)
    s3_faults.add("get", no_answer, times=2)
    message = faulty_bench.unavailable(timeout_seconds=1, attempts=2)
    assert f"bucket {faulty_bench.bucket!r} at {s3_faults.endpoint} does not answer" in message
    s3_faults.add("get", stalled)
    assert "ReadTimeoutError" in faulty_bench.unavailable(timeout_seconds=1, attempts=1)
    s3_faults.add("list", no_answer)
    assert "ReadTimeoutError" in faulty_bench.unavailable(timeout_seconds=1, attempts=1)
    assert faulty_bench.fetched() == {"a.csv": encode(ROWS, "csv")}


def test_a_dead_server_and_one_that_is_no_s3_are_unavailable(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    assert "EndpointConnectionError" in faulty_bench.unavailable(endpoint="http://127.0.0.1:1")
    s3_faults.add("list", says(200, b"<html>Welcome"), times=3)
    assert "answers 500" in faulty_bench.unavailable()
    faulty_bench.put("a", ROWS)
    s3_faults.add("list", cut, times=3)
    assert "answers 500" in faulty_bench.unavailable()
    s3_faults.add("list", cut)
    assert list(faulty_bench.fetched()) == ["a.csv"]


def test_one_bad_object_does_not_keep_the_others_back(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put("a", ROWS)
    faulty_bench.put("b", LATER)
    s3_faults.add("get", flipped, times=3)
    names = []
    with pytest.raises(SourceUnavailable, match=r"'a\.csv' came with other bytes"):
        names.extend(file.name for file in faulty_bench.source().pending())
    assert names == ["b.csv"]


def test_an_object_overwritten_between_list_and_get_comes_as_it_is_now(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put("a", ROWS)

    def overwrite(answer: Any) -> Any:
        faulty_bench.put("a", LATER)
        return 412, {"Content-Length": "0"}, b""

    s3_faults.add("get", overwrite)
    [file] = faulty_bench.source().pending()
    assert file.content_sha256 == hashlib.sha256(encode(LATER, "csv")).hexdigest()
    assert list(faulty_bench.source().pending([str(file.cursor)])) == []


def test_an_object_deleted_between_list_and_get_is_unavailable(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put("a", ROWS)

    def delete(answer: Any) -> Any:
        faulty_bench.client.delete_object(Bucket=faulty_bench.bucket, Key="a.csv")
        return answer

    s3_faults.add("list", delete)
    assert "'a.csv' was listed and is no longer there" in faulty_bench.unavailable()
    assert s3_faults.asked["get"] == 1


def test_a_wrong_secret_is_final_and_said_without_the_secret(
    strict_s3: S3Server, tmp_path: Path
) -> None:
    bench = BucketBench(strict_s3, tmp_path / "spool")
    bench.put("a", ROWS)
    assert Loader(bench).ids() == ["1", "2"]
    wrong = (ACCESS, SECRET[::-1])
    message = bench.refused(credentials=wrong)
    assert message == (
        f"Source 's3' was refused: bucket {bench.bucket!r} at {bench.endpoint} does not take the "
        "credentials (SignatureDoesNotMatch); check the environment variables S3_ACCESS_KEY and "
        "S3_SECRET_KEY. Nothing of it was loaded."
    )
    assert SECRET[::-1] not in message
    assert "(InvalidAccessKeyId)" in bench.refused(credentials=("nobody", SECRET))


def test_a_bucket_that_is_not_there_or_closed_is_final(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    message = faulty_bench.refused(bucket="no-such-bucket")
    assert "bucket 'no-such-bucket' at" in message
    assert "does not exist (NoSuchBucket)" in message
    denied = b"<Error><Code>AccessDenied</Code><Message>x</Message></Error>"
    s3_faults.add("list", says(403, denied))
    asked = s3_faults.asked["list"]
    assert "does not let us read it (AccessDenied)" in faulty_bench.refused()
    assert s3_faults.asked["list"] == asked + 1
    faulty_bench.put("b", LATER)
    s3_faults.add("get", says(403, denied))
    faulty_bench.put("a", ROWS)
    assert "file 'a.csv' may be listed and not read (AccessDenied)" in faulty_bench.refused()
    assert s3_faults.asked["get"] == 2
    archived = b"<Error><Code>InvalidObjectState</Code></Error>"
    s3_faults.add("get", says(403, archived))
    assert "file 'a.csv' is archived; restore it" in faulty_bench.refused()


@pytest.mark.parametrize("sizes", [[5 * MIB, 5 * MIB, 1000], [5 * MIB, 6 * MIB, 1000]])
def test_a_body_uploaded_in_parts_is_verified_by_the_digests_of_its_parts(
    faulty_bench: BucketBench, s3_faults: Faults, sizes: list[int]
) -> None:
    body = faulty_bench.put_parts("a.csv", sizes)
    assert faulty_bench.fetched() == {"a.csv": body}
    s3_faults.add("get", flipped, times=3)
    assert "other bytes than its server states" in faulty_bench.unavailable()


KMS = {"ServerSideEncryption": "aws:kms"}
CHECKS = {
    "sha256": hashlib.sha256(b"123456789").digest(),
    "sha1": hashlib.sha1(b"123456789").digest(),
    "crc32": bytes.fromhex("cbf43926"),
    "crc32c": bytes.fromhex("e3069283"),
    "crc64nvme": bytes.fromhex("ae8b14860a799888"),
}


@pytest.mark.parametrize("algorithm", CHECKS)
def test_an_object_whose_etag_is_no_digest_is_verified_by_its_checksum(
    faulty_bench: BucketBench, s3_faults: Faults, algorithm: str
) -> None:
    faulty_bench.put_bytes("a.csv", b"123456789", **KMS)
    stated = headed(**{f"x-amz-checksum-{algorithm}": base64.b64encode(CHECKS[algorithm]).decode()})
    bare = without("x-amz-checksum", "x-amz-sdk")

    s3_faults.add("get", lambda answer: stated(bare(answer)))
    assert faulty_bench.fetched() == {"a.csv": b"123456789"}
    s3_faults.add("get", lambda answer: stated(bare(flipped(answer))), times=3)
    assert "came with other bytes" in faulty_bench.unavailable()


def test_a_checksum_of_the_checksums_of_parts_is_followed(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    body = faulty_bench.put_parts("a.csv", [5 * MIB, 1000], **KMS)
    halves = [hashlib.sha256(part).digest() for part in (body[: 5 * MIB], body[5 * MIB :])]
    digest = base64.b64encode(hashlib.sha256(b"".join(halves)).digest()).decode()
    encrypted = headed(x_amz_checksum_sha256=f"{digest}-2", x_amz_server_side_encryption="aws:kms")
    s3_faults.add("get", encrypted)
    assert faulty_bench.fetched() == {"a.csv": body}
    s3_faults.add("get", lambda answer: encrypted(flipped(answer)), times=3)
    assert "other bytes than its server states" in faulty_bench.unavailable()


def test_bytes_that_nothing_can_verify_are_refused(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put_bytes("a.csv", b"id\n1\n", **KMS)
    s3_faults.add("get", without("x-amz-checksum"))
    assert "comes without a digest that its bytes can be checked by" in faulty_bench.refused()
    faulty_bench.put_parts("a.csv", [5 * MIB, 1000])
    s3_faults.add("head", says(501))
    assert "comes without a digest that its bytes can be checked by" in faulty_bench.refused()


def test_an_object_past_the_limit_is_refused_before_it_is_fetched(
    faulty_bench: BucketBench, s3_faults: Faults
) -> None:
    faulty_bench.put("a", ROWS)
    message = faulty_bench.refused(reading=Reading(limits=Limits(max_bytes_unpacked=20)))
    assert "more than 20; split it or raise max_bytes_unpacked" in message
    assert s3_faults.asked["get"] == 0


def test_a_listing_that_runs_in_a_circle_ends(faulty_bench: BucketBench, s3_faults: Faults) -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>same</NextContinuationToken></ListBucketResult>"
    )
    s3_faults.add("list", says(200, page), times=9)
    assert "runs in a circle" in faulty_bench.unavailable()
    assert s3_faults.asked["list"] == 2


def test_control_files_are_statements_and_not_usage(bench: BucketBench) -> None:
    bench.put("usage", ROWS)
    bench.put_bytes("a/control-1.csv", b"day,count,sum\n2026-01-31,1,1.10\n2026-02-01,9,9\n")
    bench.put_bytes("b/control-2.csv.gz", gzip.compress(b"day,count,sum\n2026-02-01,1,2.5\n"))
    source = bench.source(control="control-*")
    assert [file.name for file in source.pending()] == ["usage.csv"]
    assert list(source.stated(date(2026, 1, 1), date(2026, 2, 28))) == [
        Statement(date(2026, 1, 31), 1, Decimal("1.10")),
        Statement(date(2026, 2, 1), 1, Decimal("2.5")),
    ]
    assert list(source.stated(date(2026, 2, 2), date(2026, 2, 28))) == []
    bench.put_bytes("c/control-3.csv", b"what\n")
    with pytest.raises(SourceRejected, match=r"file 'c/control-3\.csv' is a control file"):
        list(source.stated(date(2026, 1, 1), date(2026, 2, 28)))
    with pytest.raises(UsageError, match=r"completeness\.control"):
        list(bench.source().stated(date(2026, 1, 1), date(2026, 2, 28)))

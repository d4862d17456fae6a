"""Digests of S3 objects, and settings that name a bucket."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from connectors.crc import LANE, Crc, crc32c, crc64nvme
from connectors.s3_digests import layouts
from meterhouse.source_settings import S3Place

# Of the bytes "123456789", as the catalogues of CRCs state them.
PUBLISHED = {"crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}


def test_parts_are_asked_for_once_where_they_are_alike() -> None:
    asked: list[int] = []

    def size_of(number: int) -> int:
        asked.append(number)
        return 8

    assert next(layouts(20, 3, size_of)) == [8, 8, 4]
    assert asked == [1]
    assert list(layouts(20, 3, lambda number: {1: 5, 2: 9, 3: 6}[number])) == [[5, 9, 6]]
    assert list(layouts(20, 3, lambda number: None)) == []
    assert list(layouts(21, 3, lambda number: 7)) == [[7, 7, 7], [7, 7, 7]]


@pytest.mark.parametrize(("make", "check"), [(crc32c, "crc32c"), (crc64nvme, "crc64nvme")])
def test_a_crc_is_the_published_one_however_the_bytes_are_cut(
    make: Callable[[], Crc], check: str
) -> None:
    body = bytes(range(256)) * 20 + b"tail"
    known = make()
    known.update(b"123456789")
    assert known.digest().hex() == PUBLISHED[check]
    digests = set()
    for size in (len(body), LANE, LANE + 1, 100):
        crc = make()
        for at in range(0, len(body), size):
            crc.update(body[at : at + size])
        digests.add(crc.digest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"endpoint": "http://user:secret@host"}, "must not carry a user or a secret"),
        ({"endpoint": "minio:9000"}, "must begin with http"),
        ({"access_key_variable": "A"}, "give both of"),
    ],
)
def test_a_place_that_cannot_work_is_refused(place: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        S3Place(bucket="usage", **place)

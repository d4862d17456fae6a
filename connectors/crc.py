"""Cyclic redundancy checks that S3 states and Python's library lacks: CRC-32C and CRC-64/NVME."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LANE = 1024  # bytes; lanes of one piece are run side by side, then joined


class Tables(NamedTuple):
    """What one more byte does to a state, and what LANE zero bytes do to each byte of it."""

    step: NDArray[np.uint64]  # 256
    skip: list[list[int]]  # bytes of the state × 256


class Crc:
    """A reflected CRC that begins and ends inverted, as hashlib's objects are used."""

    def __init__(self, polynomial: int, bits: int) -> None:
        self._bits = bits
        self._inverted = (1 << bits) - 1
        self._state = self._inverted
        self._tables = _tables(polynomial, bits)
        self._step = self._tables.step.tolist()

    def update(self, data: bytes) -> None:
        """Go on with more bytes."""
        whole = len(data) // LANE * LANE
        for lane in self._lanes(data[:whole]).tolist():
            self._state = self._skipped(self._state) ^ lane
        for byte in data[whole:]:
            self._state = self._step[(self._state ^ byte) & 255] ^ (self._state >> 8)

    def digest(self) -> bytes:
        """The check of all bytes so far, big-endian."""
        return (self._state ^ self._inverted).to_bytes(self._bits // 8, "big")

    def _lanes(self, data: bytes) -> NDArray[np.uint64]:
        rows = np.frombuffer(data, np.uint8).reshape(-1, LANE)
        return _run(self._tables.step, np.zeros(len(rows), np.uint64), rows.T.astype(np.uint64))

    def _skipped(self, state: int) -> int:
        found = 0
        for table in self._tables.skip:
            found ^= table[state & 255]
            state >>= 8
        return found


def crc32c() -> Crc:
    """CRC-32C (Castagnoli)."""
    return Crc(0x82F63B78, 32)


def crc64nvme() -> Crc:
    """CRC-64/NVME, which AWS computes for every object that came without a check of its own."""
    return Crc(0x9A6C9329AC4BC9B5, 64)


def _run(
    step: NDArray[np.uint64], states: NDArray[np.uint64], columns: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Every state after its bytes, of which each column holds the next."""
    for column in columns:
        states = step[(states ^ column) & np.uint64(255)] ^ (states >> np.uint64(8))
    return states


@cache
def _tables(polynomial: int, bits: int) -> Tables:
    step = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        step = np.where(step & 1, (step >> np.uint64(1)) ^ np.uint64(polynomial), step >> 1)
    # A CRC is linear over xor: the images of single bits give those of all states.
    ones = np.array([1 << bit for bit in range(bits)], np.uint64)
    images = _run(step, ones, np.zeros((LANE, 1), np.uint64)).tolist()
    return Tables(step, [_of_byte(images[at : at + 8]) for at in range(0, bits, 8)])


def _of_byte(images: list[int]) -> list[int]:
    found = [0]
    for image in images:
        found += [value ^ image for value in found]
    return found

"""The gate's file of usage, or one of the same shape where it is absent, and homes that read it."""

import random
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from meterhouse.lake import Lake
from meterhouse.settings import Settings

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "azure"
SHARED = REPOSITORY.parent / "shared" / "data" / "azure_llm_conv.csv"
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
SOURCE = "azure"
THROUGH = date(2023, 12, 1)
NUMBER = "acme-ai-2023-000001"
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Expected:
    """What the invoice must say: tokens and dollars of each line, and their sum."""

    context: int
    generated: int

    @classmethod
    def of(cls, rows: list[str]) -> "Expected":
        """Added up with plain integers, so that nothing of Meterhouse judges itself."""
        columns = [row.split(",") for row in rows]
        return cls(sum(int(c[1]) for c in columns), sum(int(c[2]) for c in columns))

    @property
    def amounts(self) -> tuple[Decimal, Decimal]:
        return dollars(self.context, 3), dollars(self.generated, 15)

    @property
    def total(self) -> Decimal:
        return sum(self.amounts, Decimal(0))


def dollars(tokens: int, per_million: int) -> Decimal:
    """Dollars of tokens at a price per million, to the cent, half away from zero."""
    return (Decimal(tokens) * per_million / 10**6).quantize(CENT, ROUND_HALF_UP)


def shared_rows() -> list[str]:
    """The rows of the published file; made ones of the same shape where it is absent."""
    if not SHARED.is_file():
        return made_rows(19_366)
    lines = SHARED.read_text().splitlines()
    assert lines[0] == HEADER
    return lines[1:]


def made_rows(count: int, start: str = "2023-11-16 18:15:46", seed: int = 20231116) -> list[str]:
    """Rows in order of time with seven places of a second, a few hundred in a minute."""
    chance = random.Random(seed)
    at = datetime.fromisoformat(start)
    rows = []
    for _ in range(count):
        at += timedelta(microseconds=chance.randint(1, 360_000))
        context, generated = chance.randint(1, 4_000), chance.randint(1, 1_000)
        rows.append(f"{at:%Y-%m-%d %H:%M:%S.%f}{chance.randint(0, 9)},{context},{generated}")
    return rows


def text_of(rows: list[str]) -> str:
    """The rows as the file has them: no newline after the last."""
    return "\n".join([HEADER, *rows])


def new_home(home: Path) -> Path:
    """The example as an own home, with no lake yet."""
    shutil.copytree(EXAMPLE, home)
    return home


def copied(home: Path, to: Path) -> Lake:
    """The lake of a copy of a home."""
    shutil.copytree(home, to)
    return Lake(Settings.load(to))


def put(lake: Lake, name: str, content: str | bytes) -> Path:
    """Land a file under a name."""
    path = lake.settings.landing(SOURCE) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

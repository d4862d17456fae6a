"""The home of the demo company: settings, book and three months of usage in four stages."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from meterhouse.demo.book import write_book
from meterhouse.demo.company import LARGEST, Customer, make_customers
from meterhouse.demo.delivery import contested, corrected, delivered
from meterhouse.demo.events import api_events, correction, storage_samples
from meterhouse.demo.records import (
    API_FAULTS,
    STORAGE_FAULTS,
    STORAGE_HEADER,
    api_lines,
    storage_lines,
)
from meterhouse.demo.stages import Delivery, Stage, write_stages

REQUESTS_PER_CUSTOMER = 300
CORRECTION = 40
API_SLICES, STORAGE_SLICES = 3, 2


@dataclass(frozen=True)
class DemoPlan:
    """What was written, and what is to come of it; customers are named by id."""

    home: Path
    stages: tuple[Stage, ...]
    largest: str
    without_tax_decision: tuple[str, ...]
    without_contract: tuple[str, ...]
    in_conflict: tuple[str, ...]

    @property
    def outcomes(self) -> dict[str, int]:
        """Records by outcome, over all stages."""
        return dict(sum((Counter(stage.outcomes) for stage in self.stages), Counter[str]()))

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined records by reason, over all stages."""
        return dict(sum((Counter(stage.reasons) for stage in self.stages), Counter[str]()))


def write_home(home: Path, *, customers: int = 200, seed: int = 7) -> DemoPlan:
    """Write a complete home without a lake; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    company = make_customers(customers, rng)
    write_book(home, company)
    stages = write_stages(home / "stages", [_api(company, rng), _storage(company, rng)])
    return DemoPlan(
        home=home,
        stages=stages,
        largest=company[LARGEST].id,
        without_tax_decision=tuple(one.id for one in company if one.tax is None),
        without_contract=tuple(one.id for one in company if one.is_partly_uncovered),
        in_conflict=tuple(one.id for one in company if one.is_in_conflict),
    )


def _api(company: list[Customer], rng: np.random.Generator) -> Delivery:
    events = api_events(company, REQUESTS_PER_CUSTOMER * len(company), rng)
    late = correction(company[LARGEST], CORRECTION, rng)
    numbered = _numbered(pl.concat([events, late]))
    usual, late = numbered[: events.height], numbered[events.height :]
    rivals = [one.index for one in company if one.is_in_conflict]
    sent = contested(delivered(usual, API_SLICES, [*API_FAULTS], rng), rivals, API_SLICES)
    lines = api_lines(corrected(sent, late, API_SLICES))
    return Delivery("api", "ndjson", None, API_SLICES, lines)


def _storage(company: list[Customer], rng: np.random.Generator) -> Delivery:
    samples = storage_samples(company, rng)
    sent = delivered(samples, STORAGE_SLICES, [*STORAGE_FAULTS], rng)
    return Delivery("storage", "csv", STORAGE_HEADER, STORAGE_SLICES, storage_lines(sent))


def _numbered(events: pl.DataFrame) -> pl.DataFrame:
    """With column `id`, unique."""
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7)
    return events.with_columns(id=pl.lit("evt-") + number)

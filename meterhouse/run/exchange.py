"""Exchange rates on record: which ones drafts are told at, and importing what banks publish."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from meterhouse import exchange_rates
from meterhouse.canonical import canonical_json, short_hash
from meterhouse.durable import bytes_sha256
from meterhouse.errors import MeterhouseError, UsageError
from meterhouse.invoicing import tax_currency
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.money import AMOUNT, PLACES
from meterhouse.nearest import known_names
from meterhouse.run.commands import record

COMMAND = "rates_import"
# Of each source, day and pair the newest row holds.
NEWEST = """
select source, rate_on, base, quote, rate from facts.exchange_rates
qualify row_number() over (
    partition by source, rate_on, base, quote order by batch_seq desc, row_no desc
) = 1
"""
TELLING = "select 1 from book.entities where tax_currency is not null limit 1"
ORIGINALS = """
select number, any_value(base_currency) as wanted, any_value(fx_rate) as fx_rate,
    any_value(fx_on) as fx_on, any_value(fx_source) as fx_source
from facts.document_taxes where fx_source is not null group by number
"""
# Layouts of files: `csv` has a row for each rate, `ecb` a row for each day and a column for each
# currency, as the European Central Bank publishes the price of a euro.
LAYOUTS = ("csv", "ecb")
COLUMNS = ("date", "base", "quote", "rate")
ECB_BASE = "EUR"
ECB_DAYS = ("%Y-%m-%d", "%d %B %Y")
# Longer than that no rate is, and AMOUNT holds it.
MOST_DIGITS, MOST_PLACES = 20, 18


class RatesFault(MeterhouseError):
    """A file of exchange rates that is refused: every fault of it, and nothing was imported."""

    exit_code = 2

    def __init__(self, name: str, faults: list[str]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{name} was not imported; correct it and import it again:\n{listed}")


@dataclass(frozen=True)
class Imported:
    """What an import did or would do: new rates, those known already, and restated ones."""

    import_id: str
    source: str
    batch_seq: int | None
    new: int
    known: int
    restated: int
    first_on: date
    last_on: date


def in_tax_currency(
    db: duckdb.DuckDBPyConnection,
    heads: pl.DataFrame,
    lines: pl.DataFrame,
    entities: pl.DataFrame,
) -> pl.DataFrame:
    """The drafts with the rates at which their entities tell taxes in another currency."""
    if db.execute(TELLING).fetchone() is None:
        return tax_currency.silent(heads)
    return tax_currency.with_rates(heads, lines, entities, newest(db), db.sql(ORIGINALS).pl())


def newest(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The rates that hold, columns of exchange_rates.RATES."""
    kinds = exchange_rates.RATES
    return db.sql(NEWEST).pl().select(pl.col(name).cast(kind) for name, kind in kinds.items())


def import_rates(
    lake: Lake, path: Path, source: str, layout: str, *, restate: bool = False, dry: bool = False
) -> Imported:
    """Record the rates of a file, all or none; those on record already are left alone.

    Raises RatesFault with every fault, of which one is a rate that differs from the recorded one
    of its day where `restate` does not allow that.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"File {path} cannot be read: {error}. Nothing was imported.") from error
    found, faults = _read(data, path.name, layout)
    if not faults and found.is_empty():
        faults = ["it has no rates"]
    if faults:
        raise RatesFault(path.name, faults)
    import_id = short_hash([bytes_sha256(data), source])
    told = found.with_columns(source=pl.lit(source))
    with lake.session() as db:
        views(db, None)
        key = ["source", "rate_on", "base", "quote"]
        joined = told.join(newest(db), on=key, how="left", suffix="_before")
        new = joined.filter(pl.col("rate_before").is_null())
        other = joined.filter(pl.col("rate_before") != pl.col("rate"))
        if other.height and not restate:
            raise RatesFault(path.name, [_differs(row) for row in other.sort(key).to_dicts()])
        due = pl.concat([new, other]).drop("rate_before").sort(key)
        batch = None
        if due.height and not dry:
            payload = canonical_json(
                {"file": path.name, "new": new.height, "restated": other.height, "source": source}
            )
            batch = lake.commit(db, lambda commit: _write(commit, due, import_id, payload))
    days = found["rate_on"].sort().to_list()
    known = found.height - new.height - other.height
    return Imported(import_id, source, batch, new.height, known, other.height, days[0], days[-1])


def rate_of(
    lake: Lake, currency: str, wanted: str, source: str, on: date, max_age_days: int
) -> dict[str, Any]:
    """One rate as documents of a day would use it; UsageError where there is none."""
    asked = {
        "ask": "", "source": source, "currency": currency, "wanted": wanted, "on": on,
        "max_age_days": max_age_days,
    }  # fmt: skip
    with lake.reading() as db:
        rates = newest(db)
    frame = pl.DataFrame([asked], schema=dict(exchange_rates.ASKED))
    (found,) = exchange_rates.found(rates, frame).to_dicts()
    if found["fault"] is not None:
        sources = sorted(rates["source"].unique().to_list())
        known = f" Sources on record: {known_names(sources)}." if source not in sources else ""
        raise UsageError(f"{found['fault']}{known}")
    names = ("source", "currency", "wanted", "on", "rate", "rate_on")
    return {name: found[name] for name in names}


def _differs(row: dict[str, Any]) -> str:
    before, now = (f"{row[name].normalize():f}" for name in ("rate_before", "rate"))
    return (
        f"{row['rate_on']} {row['base']} {row['quote']}: the file says {now}, and {before} is on "
        "record; documents may have used it. `--restate` records the new one beside it, for "
        "documents to come"
    )


def _write(commit: Commit, rates: pl.DataFrame, import_id: str, payload: str) -> int:
    commit.db.register("frame_in", rates.with_columns(import_id=pl.lit(import_id)).to_arrow())
    commit.append("exchange_rates", "select * from frame_in")
    commit.db.unregister("frame_in")
    return record(commit, COMMAND, [(import_id, None)], payload, "Imported.")


def _read(data: bytes, name: str, layout: str) -> tuple[pl.DataFrame, list[str]]:
    """The rates of a file (rate_on, base, quote, rate), and its faults."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {error}. Nothing was imported.") from error
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = [one.strip() for one in rows[0]] if rows else []
    faults: list[str] = []
    cells = (_ecb if layout == "ecb" else _plain)(header, rows[1:], faults)
    kinds = {"line": pl.Int64, "rate_on": pl.Date, "base": pl.String, "quote": pl.String}
    made = [one for one in cells if one is not None]
    found = pl.DataFrame(made, schema=kinds | {"rate": AMOUNT}, orient="row")
    key = ["rate_on", "base", "quote"]
    again = found.filter(pl.struct(key).is_duplicated() & ~pl.struct(key).is_first_distinct())
    faults += [
        f"line {row['line']}: {row['rate_on']} {row['base']} {row['quote']} is there before"
        for row in again.to_dicts()
    ]
    return found.drop("line"), faults


_Cell = tuple[int, date, str, str, Decimal]


def _plain(header: list[str], rows: list[list[str]], faults: list[str]) -> Iterator[_Cell | None]:
    if sorted(header) != sorted(COLUMNS):
        faults.append(f"its columns are {', '.join(header)}; they must be {', '.join(COLUMNS)}")
        return
    for line, row in enumerate(rows, 2):
        if not any(one.strip() for one in row):
            continue
        if len(row) != len(header):
            faults.append(f"line {line} has {len(row)} values, and the header {len(header)}")
            continue
        told = dict(zip(header, (one.strip() for one in row), strict=True))
        yield _cell(line, told["date"], told["base"], told["quote"], told["rate"], faults)


def _ecb(header: list[str], rows: list[list[str]], faults: list[str]) -> Iterator[_Cell | None]:
    # Rows of the bank end with a comma, so its last column has neither name nor values.
    names = header[1:-1] if header and not header[-1] else header[1:]
    if not header or header[0] != "Date" or not names:
        faults.append("its first column must be Date, and the others one for each currency")
        return
    unknown = [one for one in names if not (one.isascii() and one.isupper() and len(one) == 3)]
    if unknown:
        faults.append(f"columns {', '.join(unknown)} are no currency codes")
        return
    for line, row in enumerate(rows, 2):
        if not any(one.strip() for one in row):
            continue
        values = [one.strip() for one in row]
        if len(values) not in (len(names) + 1, len(header)):
            faults.append(f"line {line} has {len(row)} values, and the header {len(header)}")
            continue
        for name, value in zip(names, values[1:], strict=False):
            # The bank did not publish every currency on every day.
            if value not in ("N/A", ""):
                yield _cell(line, values[0], ECB_BASE, name, value, faults, known=False)


def _cell(
    line: int, on: str, base: str, quote: str, rate: str, faults: list[str], *, known: bool = True
) -> _Cell | None:
    """A rate, or None and its faults. The bank tells currencies that ISO 4217 has struck off."""
    told: list[str] = []
    if known:
        told += [f"{one} is no currency of ISO 4217" for one in (base, quote) if one not in PLACES]
    if base == quote:
        told.append(f"a rate from {base} to itself says nothing")
    day = _day(on)
    if day is None:
        told.append(f"{on!r} is no date such as 2026-01-30")
    try:
        number = Decimal(rate)
        parts = number.as_tuple()
        places = -parts.exponent if isinstance(parts.exponent, int) else 0
        is_odd = not number.is_finite() or number <= 0 or places > MOST_PLACES
        if is_odd or len(parts.digits) > MOST_DIGITS or number.adjusted() >= MOST_DIGITS:
            told.append(f"{rate} is no rate: it is above 0, with {MOST_PLACES} decimals at most")
    except InvalidOperation:
        number = Decimal(0)
        told.append(f"{rate!r} is no rate such as 1.0834")
    faults += [f"line {line}: {one}" for one in told]
    return None if told or day is None else (line, day, base, quote, number)


def _day(text: str) -> date | None:
    for form in ECB_DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    return None

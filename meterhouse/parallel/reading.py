"""Rows of text as lines of old documents, with a sentence for each cell that cannot be read."""

from collections.abc import Callable

import polars as pl

from meterhouse.money import AMOUNT, PLACES, QUANTITY
from meterhouse.parallel.columns import FIELDS
from meterhouse.parallel.mapping import Mapping

NUMBER = r"^[-+]?\d{1,18}(\.\d{1,18})?$"
MONEY = ("unit_price", "amount", "discount", "tax", "document_tax", "document_total")
DATES = ("date", "from", "to")
TRUE, FALSE = ("true", "yes", "1", "y"), ("false", "no", "0", "n", "")


def missing_columns(rows: pl.DataFrame, mapping: Mapping) -> list[str]:
    """The fields that must be there and of which the file has no column, with the names sought."""
    found = []
    for name in FIELDS:
        sought = _sought(mapping, name)
        must = name in ("number", "customer", "currency", "date", "amount")
        if sought and must and not any(one in rows.columns for one in sought):
            found.append(f"no column for {name}: {' or '.join(repr(one) for one in sought)}")
    return found


def read_lines(rows: pl.DataFrame, mapping: Mapping) -> tuple[pl.DataFrame, int]:
    """Typed lines with `fault` (all sentences of a row, or null), and how many rows were skipped.

    Rows: texts by column of the file, and `line` (Int64). Lines that `mapping.skip` leaves out are
    counted. Columns: FIELDS, typed; `line`, `fault`, `raw` (the row as JSON).
    """
    texts = rows.select(
        "line",
        *(_text(rows, mapping, name).alias(name) for name in FIELDS),
        raw=_raw(rows),
    )
    states = [one.lower() for one in mapping.skip]
    is_skipped = pl.col("status").str.to_lowercase().is_in(states).fill_null(False)
    kept = texts.filter(~is_skipped)
    typed = _signed(_typed(kept, mapping), mapping)
    return typed, texts.height - kept.height


def _sought(mapping: Mapping, name: str) -> list[str]:
    named = mapping.columns.get(name, [])
    return [named] if isinstance(named, str) else list(named)


def _text(rows: pl.DataFrame, mapping: Mapping, name: str) -> pl.Expr:
    """The field's text without spaces around; null where it is empty."""
    if name in mapping.constants:
        return pl.lit(mapping.constants[name])
    there = [one for one in _sought(mapping, name) if one in rows.columns]
    cut = [pl.col(one).str.strip_chars() for one in there]
    filled = [pl.when(one != "").then(one) for one in cut]
    return pl.coalesce(filled) if filled else pl.lit(None, pl.String)


def _raw(rows: pl.DataFrame) -> pl.Expr:
    names = [name for name in rows.columns if name != "line"]
    return pl.struct(names).struct.json_encode() if names else pl.lit("{}")


def _typed(texts: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    upper = texts.with_columns(pl.col("currency").str.to_uppercase())
    reads: dict[str, Callable[[str], pl.Expr]] = {
        **dict.fromkeys((*MONEY, "quantity", "tax_rate"), lambda name: _number(name, mapping)),
        **dict.fromkeys(DATES, lambda name: _day(name, mapping)),
        "inclusive": _flag,
    }
    read = upper.with_columns(read(name).alias(f"_{name}") for name, read in reads.items())
    faults = [_unread(name) for name in reads]
    faults += [
        pl.when(pl.col(name).is_null()).then(pl.lit(f"{name} is missing"))
        for name in ("number", "customer", "currency", "date", "amount")
    ]
    known = pl.col("currency").is_in(list(PLACES))
    faults.append(
        pl.when(~known).then(pl.format("currency '{}' is not an ISO 4217 code", "currency"))
    )
    told = pl.concat_str(faults, separator="; ", ignore_nulls=True)
    typed = read.with_columns(pl.when(told != "").then(told).alias("fault"))
    named = typed.with_columns(pl.col(f"_{name}").alias(name) for name in reads).select(
        pl.exclude([f"_{name}" for name in reads])
    )
    return _major(named, mapping).with_columns(pl.col("quantity").cast(QUANTITY))


def _number(name: str, mapping: Mapping) -> pl.Expr:
    text = pl.col(name).str.replace_all(r"[\s\u00a0]", "")
    # An accountant's minus is a pair of brackets.
    text = text.str.replace(r"^\((.*)\)$", "-$1").str.replace(r"%$", "").str.replace(r"^\+", "")
    if mapping.thousands.strip():
        text = text.str.replace_all(mapping.thousands, "", literal=True)
    if mapping.decimal != ".":
        text = text.str.replace(mapping.decimal, ".", literal=True)
    return pl.when(text.str.contains(NUMBER)).then(text).cast(AMOUNT)


def _day(name: str, mapping: Mapping) -> pl.Expr:
    text = pl.col(name)
    # A time after an ISO date says nothing that a day needs.
    day = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[T ].*$", "$1")
    seconds = pl.when(text.str.contains(r"^\d{9,11}$")).then(text).cast(pl.Int64)
    tried = [
        pl.from_epoch(seconds, "s").cast(pl.Date)
        if form == "unix"
        else day.str.to_date(form, strict=False)
        for form in mapping.dates
    ]
    return pl.coalesce(tried)


def _flag(name: str) -> pl.Expr:
    text = pl.col(name).str.to_lowercase()
    known = pl.when(text.is_in(TRUE)).then(True).when(text.is_in(FALSE)).then(False)
    return known.otherwise(None)


def _unread(name: str) -> pl.Expr:
    what = "date" if name in DATES else "yes or no" if name == "inclusive" else "number"
    lost = pl.col(name).is_not_null() & pl.col(f"_{name}").is_null()
    return pl.when(lost).then(pl.format(f"{name} '{{}}' is not a {what}", pl.col(name)))


def _major(typed: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Money in major units: minor ones times a power of ten, which is exact."""
    if not mapping.minor_units:
        return typed
    units = pl.lit(None, AMOUNT)
    for places in sorted(set(mapping.minor_places().values())):
        codes = [code for code, own in mapping.minor_places().items() if own == places]
        unit = pl.lit(f"1e-{places}").cast(AMOUNT)
        units = pl.when(pl.col("currency").is_in(codes)).then(unit).otherwise(units)
    return typed.with_columns((pl.col(name) * units).cast(AMOUNT) for name in MONEY)


def _signed(typed: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """`kind` is invoice or credit_note; amounts of credit notes are negative, service half-open."""
    words = [one.lower() for one in mapping.credit_notes]
    is_credit = pl.col("kind").str.to_lowercase().is_in(words).fill_null(False)
    turns = is_credit & pl.lit(mapping.credit_notes_are == "positive")
    net = pl.col("amount") - pl.col("discount").fill_null(0)
    inclusive = pl.col("inclusive").fill_null(mapping.tax_inclusive)
    signed = typed.with_columns(
        kind=pl.when(is_credit).then(pl.lit("credit_note")).otherwise(pl.lit("invoice")),
        amount=net.cast(AMOUNT),
        is_inclusive=inclusive,
    ).with_columns(
        pl.when(turns).then(-pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in ("quantity", "amount", "tax", "document_tax", "document_total")
    )
    return _served(signed, mapping)


def _served(lines: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """`from_on`, `until_on` (exclusive): as the line says, else as the mapping says."""
    last = pl.col("to")
    until = last.dt.offset_by("1d") if mapping.to_is == "inclusive" else last
    month = pl.col("date").dt.month_start()
    if mapping.service == "month_before_date":
        month = month.dt.offset_by("-1mo")
    if mapping.service == "none":
        month = pl.lit(None, pl.Date)
    told = pl.col("from").is_not_null() & (until > pl.col("from"))
    turned = pl.col("from").is_not_null() & (until < pl.col("from"))
    sentence = pl.when(turned).then(pl.lit("service ends before it begins"))
    return lines.with_columns(
        from_on=pl.when(told).then("from").otherwise(month),
        until_on=pl.when(told).then(until).otherwise(month.dt.offset_by("1mo")),
        fault=pl.concat_str(["fault", sentence], separator="; ", ignore_nulls=True).replace(
            "", None
        ),
    )

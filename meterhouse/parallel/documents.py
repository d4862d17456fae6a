"""Lines of a file as whole documents: a document with a fault is kept out whole, with its reason.

What a document says as its total and its lines do not add up to is a line of rounding, as long as
it is no more than one minor unit for each line.
"""

import polars as pl

from meterhouse.invoicing.allocation import allocated
from meterhouse.money import AMOUNT, PLACES, rounded
from meterhouse.parallel.columns import LINES, ROUNDING

SAME = ("customer", "currency", "date", "kind")


def documents(typed: pl.DataFrame) -> pl.DataFrame:
    """The lines (columns LINES) in order of document and line; all of a faulty one has `fault`."""
    numbered = typed.with_columns(
        number=pl.coalesce("number", pl.format("(line {})", "line")),
        line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("number"),
    )
    told = _whole(_contradicted(numbered))
    sound = _with_tax(told.filter(pl.col("fault").is_null()))
    checked = _whole(_rounded(sound))
    kept_out = told.filter(pl.col("fault").is_not_null())
    every = pl.concat([_selected(checked), _selected(kept_out)])
    return every.sort("number", "line_no")


def _selected(lines: pl.DataFrame) -> pl.DataFrame:
    named = lines.with_columns(invoice_date="date", source_line="line")
    return named.select(pl.col(name).cast(kind) for name, kind in LINES.items())


def _contradicted(lines: pl.DataFrame) -> pl.DataFrame:
    """A document has one customer, one currency, one date and one kind."""
    told = [
        pl.when(pl.col(name).n_unique().over("number") > 1).then(
            pl.lit(f"lines of one document have more than one {name}")
        )
        for name in SAME
    ]
    return lines.with_columns(fault=_joined("fault", *told))


def _whole(lines: pl.DataFrame) -> pl.DataFrame:
    is_faulty = pl.col("fault").is_not_null().any().over("number")
    other = pl.when(is_faulty).then(pl.lit("another line of this document has a fault"))
    return lines.with_columns(fault=pl.coalesce("fault", other))


def _joined(*parts: str | pl.Expr) -> pl.Expr:
    text = pl.concat_str(*parts, separator="; ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def _with_tax(lines: pl.DataFrame) -> pl.DataFrame:
    """Net amounts and taxes by line; an inclusive amount whose tax nobody tells stays as it is."""
    gross, percent = pl.col("amount"), pl.col("tax_rate")
    # exact: a net price is the gross over 100 + rate in hundredths; it is rounded to the currency.
    net = (gross * 100 / (percent + 100)).cast(AMOUNT)
    by_rate = gross - rounded(net, pl.col("currency"))
    inside = pl.col("is_inclusive") & percent.is_not_null() & pl.col("tax").is_null()
    taxed = _shared(lines.with_columns(tax=pl.when(inside).then(by_rate).otherwise("tax")))
    is_split = pl.col("is_inclusive") & pl.col("tax").is_not_null()
    return taxed.with_columns(
        amount=pl.when(is_split).then(gross - pl.col("tax")).otherwise(gross).cast(AMOUNT),
        # A unit price with tax in it is no price to compare.
        unit_price=pl.when(~pl.col("is_inclusive")).then("unit_price"),
        is_inclusive=pl.col("is_inclusive") & pl.col("tax").is_null(),
    )


def _shared(lines: pl.DataFrame) -> pl.DataFrame:
    """The tax of a document, where no line says its own, is shared by amounts."""
    is_silent = pl.col("tax").is_null().all().over("number")
    asks = is_silent & pl.col("document_tax").is_not_null()
    if not lines.height:
        return lines
    sharing = lines.filter(asks).with_columns(
        pl.col("document_tax").first().over("number"),
        places=pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64),
    )
    if not sharing.height:
        return lines
    parts = allocated(sharing, by=["number"], amount="document_tax", weight="amount", into="tax_")
    kept = parts.select("number", "line_no", "tax_")
    joined = lines.join(kept, on=["number", "line_no"], how="left", maintain_order="left")
    return joined.with_columns(tax=pl.coalesce("tax", "tax_")).drop("tax_")


def _rounded(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines, a line for what a total has beyond them, and a fault where that is too much."""
    told = lines.filter(pl.col("document_total").is_not_null())
    gross = pl.col("amount") + pl.col("tax").fill_null(0)
    rest = told.group_by("number", maintain_order=True).agg(
        pl.col(
            "currency", "customer", "date", "kind", "from_on", "until_on", "line", "raw"
        ).first(),
        rest=(pl.col("document_total").first() - gross.sum()).cast(AMOUNT),
        count=pl.len(),
        total=pl.col("document_total").first(),
        last=pl.col("line_no").max(),
    )
    units = pl.col("count").cast(AMOUNT) * _minor_unit()
    apart = rest.filter(pl.col("rest") != 0)
    small = apart.filter(pl.col("rest").abs() <= units)
    wrong = apart.filter(pl.col("rest").abs() > units).select(
        "number",
        told=pl.format(
            "lines and their tax are {} apart from the document's total",
            pl.col("rest").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end("."),
        ),
    )
    extra = small.select(
        "number", "kind", "customer", "currency", "date", "from_on", "until_on", "line", "raw",
        line_no=pl.col("last") + 1, product=pl.lit(ROUNDING), description=pl.lit("Rounding"),
        amount="rest", tax=pl.lit(0).cast(AMOUNT), is_inclusive=pl.lit(False),
    )  # fmt: skip
    with_rest = pl.concat([lines, extra], how="diagonal")
    joined = with_rest.join(wrong, on="number", how="left", maintain_order="left")
    return joined.with_columns(fault=pl.coalesce("fault", "told")).drop("told")


def _minor_unit() -> pl.Expr:
    """One smallest unit of the row's currency, in major units."""
    units = {code: f"1e-{places}" for code, places in PLACES.items()}
    return pl.col("currency").replace_strict(units, return_dtype=pl.String).cast(AMOUNT)

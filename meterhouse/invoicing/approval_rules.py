"""Which drafts need no person: the rules of an entity, and every reason why one is not taken."""

import polars as pl

from meterhouse.money import AMOUNT, PLACES

# What entities with rules say (one row per entity), and their largest totals by currency.
RULES: dict[str, pl.DataType | type[pl.DataType]] = {
    "entity_id": pl.String,
    "max_deviation": AMOUNT,
    "history": pl.Int64,
    "has_limits": pl.Boolean,
}
LIMITS: dict[str, pl.DataType | type[pl.DataType]] = {
    "entity_id": pl.String,
    "currency": pl.String,
    "max_total": AMOUNT,
}
# Documents of a payer before this one, the newest with `age` 1.
EARLIER: dict[str, pl.DataType | type[pl.DataType]] = {
    "entity_id": pl.String,
    "customer_id": pl.String,
    "currency": pl.String,
    "kind": pl.String,
    "total": AMOUNT,
    "age": pl.Int64,
}
_PAYER = ("entity_id", "customer_id", "currency", "kind")
_SCALE = 18


def judged(
    drafts: pl.DataFrame,
    rules: pl.DataFrame,
    limits: pl.DataFrame,
    earlier: pl.DataFrame,
    manual: pl.DataFrame,
    fired: pl.DataFrame,
) -> pl.DataFrame:
    """One row per draft of an entity with rules: draft_id, why; an empty text means it is taken.

    `drafts` have draft_id, the columns of a payer and total; `manual` names drafts with lines that
    a person made (draft_id), `fired` the sentences of failed checks (draft_id, sentence).
    """
    known = (
        drafts.join(rules, on="entity_id")
        .join(limits, on=["entity_id", "currency"], how="left")
        .join(_means(drafts, rules, earlier), on="draft_id", how="left")
        .join(manual.select("draft_id", is_manual=pl.lit(True)).unique(), on="draft_id", how="left")
        .join(_sentences(fired), on="draft_id", how="left")
    )
    reasons = pl.concat_str(_reasons(), separator=" ", ignore_nulls=True)
    return known.select("draft_id", why=reasons).sort("draft_id")


def _means(drafts: pl.DataFrame, rules: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Number and sum of the last documents of each draft's payer: draft_id, count, summed."""
    heads = drafts.select("draft_id", *_PAYER).join(rules, on="entity_id")
    return (
        heads.join(earlier, on=_PAYER)
        .filter(pl.col("age") <= pl.col("history"))
        .group_by("draft_id")
        .agg(count=pl.len().cast(pl.Int64), summed=pl.col("total").sum())
    )


def _sentences(fired: pl.DataFrame) -> pl.DataFrame:
    return fired.group_by("draft_id").agg(fired=pl.col("sentence").unique().sort().str.join(" "))


def _reasons() -> list[pl.Expr]:
    total, count = pl.col("total").cast(AMOUNT), pl.col("count").cast(AMOUNT)
    # Without a division, so that nothing is rounded: |total - mean| > share * mean, times count.
    off = (total * count - pl.col("summed")).abs()
    is_off = off > pl.col("max_deviation").cast(AMOUNT) * pl.col("summed").cast(AMOUNT)
    is_limited = pl.col("has_limits") & pl.col("max_total").is_null()
    return [
        _says(pl.col("total").is_null(), "Its tax is not decided."),
        _says(
            (pl.col("kind") != "invoice") | (total < 0), "A credit note is for a person to approve."
        ),
        _says(pl.col("count").is_null(), "It is the payer's first document of its kind."),
        _says(
            is_off,
            "Its total of {} {} is more than {} off the mean of the last {} (together {}).",
            *(_money("total"), "currency", _plain("max_deviation"), "count", _money("summed")),
        ),
        _says(
            total > pl.col("max_total"),
            "Its total of {} {} is above the limit of {}.",
            *(_money("total"), "currency", _plain("max_total")),
        ),
        _says(is_limited, "The rules have no limit for {}.", "currency"),
        _says(pl.col("is_manual"), "A person made or changed a line of it."),
        pl.col("fired"),
    ]


def _says(holds: pl.Expr, text: str, *named: str | pl.Expr) -> pl.Expr:
    sentence = pl.format(text, *named) if named else pl.lit(text)
    return pl.when(holds.fill_null(False)).then(sentence)


def _money(column: str) -> pl.Expr:
    """The amount with the places of `currency`, which it has been rounded to."""
    places = pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64)
    surplus = _SCALE - places + (places == 0).cast(pl.Int64)
    return pl.col(column).cast(AMOUNT).cast(pl.String).str.head(-surplus)


def _plain(column: str) -> pl.Expr:
    text = pl.col(column).cast(AMOUNT).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".")

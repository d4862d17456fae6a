"""Rating: from windows with quantities to amounts, one pass of columns for each price model."""

from difflib import get_close_matches

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT, QUANTITY, rounded
from meterhouse.pricing import fees
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.parts import TOLD_ID
from meterhouse.pricing.steps import RATED

# Models know a window by its number among those given: texts are slow to join by.
_NUMBER = pl.UInt32
_NOTHING = pl.DataFrame(
    schema=pl.Schema({"window_id": _NUMBER(), "amount_unrounded": AMOUNT, "steps": pl.String()})
)
_NO_PARTS = pl.DataFrame(schema={**PARTS, "window_id": _NUMBER})
_READING = [name for name, model in MODELS.items() if model.reads_parts]


def rate_windows(windows: pl.DataFrame, parts: pl.DataFrame | None = None) -> pl.DataFrame:
    """One row per window, in their order: its quantity, its amount (unrounded, and rounded to the
    currency) and the steps of it.

    `windows` has the columns of charge_windows and `quantity` (of a fee its fixed quantity);
    `parts` (columns of PARTS) what the windows of models that read parts are made of.
    """
    _refuse_unknown_models(windows)
    _refuse_missing(windows, "quantity")
    _refuse_twice(windows["window_id"])
    numbered = _numbered(windows)
    told, known = numbered, _parts_of(numbered, parts)
    has_fees = fees.is_here(windows)
    if has_fees:
        told, known = fees.asked(numbered, known)
    amounts = _rated(told, known)
    if has_fees:
        amounts = fees.by_share(numbered, amounts)
    ids = numbered.select("window_id", TOLD_ID, "currency", pl.col("quantity").cast(QUANTITY))
    result = ids.join(
        amounts, on="window_id", how="left", validate="1:1", maintain_order="left"
    ).with_columns(window_id=TOLD_ID)
    _refuse_missing(result, "amount_unrounded")
    return result.select(
        "window_id",
        "quantity",
        "amount_unrounded",
        amount=rounded(pl.col("amount_unrounded"), pl.col("currency")),
        steps="steps",
    )


def _rated(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """RATED of numbered windows, model by model."""
    models = windows.filter(pl.col("price_model").is_in(_READING))
    of_models = parts.join(models.select("window_id", "price_model"), on="window_id")
    by_model, parts_by_model = _by_model(windows), _by_model(of_models)
    rated = [
        model.rate(by_model[name], parts_by_model.get(name, _NO_PARTS))
        if model.reads_parts
        else model.rate(by_model[name])
        for name, model in MODELS.items()
        if name in by_model
    ]
    return pl.concat([_NOTHING, *(one.select(RATED) for one in rated)])


def _numbered(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows known by their place; what people call them is in TOLD_ID."""
    number = pl.int_range(pl.len(), dtype=_NUMBER)
    return windows.with_columns(pl.col("window_id").alias(TOLD_ID), window_id=number)


def _parts_of(windows: pl.DataFrame, parts: pl.DataFrame | None) -> pl.DataFrame:
    """The parts of numbered windows, known by the same numbers."""
    if parts is None or parts.is_empty():
        return _NO_PARTS
    # A book of many models reads parts for few of its windows: the others need not be looked up.
    reading = windows.filter(pl.col("price_model").is_in(_READING))
    numbers = reading.select(TOLD_ID, number="window_id")
    mine = parts.join(numbers, left_on="window_id", right_on=TOLD_ID)
    return mine.with_columns(window_id="number").select(list(PARTS))


def _by_model(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each model, found in one pass."""
    return {
        str(name): own for (name,), own in frame.partition_by("price_model", as_dict=True).items()
    }


def _refuse_unknown_models(windows: pl.DataFrame) -> None:
    unknown = windows.filter(~pl.col("price_model").is_in(list(MODELS)))
    if unknown.is_empty():
        return
    model = unknown["price_model"][0]
    nearest = get_close_matches(model, MODELS, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(MODELS)}."
    raise UsageError(
        f"Price model {model!r} of {unknown.height} windows is not known; {hint} Nothing was rated."
    )


def _refuse_twice(ids: pl.Series) -> None:
    """Whoever is charged for a window is charged once."""
    # Numbers are counted in a fraction of the time that texts take.
    if ids.hash().n_unique() == ids.len():
        return
    twice = ids.filter(ids.is_duplicated())
    if twice.len():
        raise UsageError(
            f"{twice.n_unique()} windows are there more than once, the first is {twice[0]!r}. "
            "Nothing was rated. Give each window one quantity."
        )


def _refuse_missing(windows: pl.DataFrame, column: str) -> None:
    missing = windows.filter(pl.col(column).is_null())
    if missing.height:
        raise UsageError(
            f"{missing.height} windows have no {column}, the first is {missing['window_id'][0]!r}. "
            "Nothing was rated. Every window needs a quantity (0 if nothing was used) "
            "and a complete price."
        )

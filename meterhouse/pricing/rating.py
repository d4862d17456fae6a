"""Rating: from windows with quantities to amounts, one pass of columns for each price model."""

from difflib import get_close_matches

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT, QUANTITY, rounded
from meterhouse.pricing import fees
from meterhouse.pricing.models import MODELS, PARTS
from meterhouse.pricing.steps import RATED

_NOTHING = pl.DataFrame(
    schema=pl.Schema({"window_id": pl.String(), "amount_unrounded": AMOUNT, "steps": pl.String()})
)


def rate_windows(windows: pl.DataFrame, parts: pl.DataFrame | None = None) -> pl.DataFrame:
    """One row per window, in their order: its quantity, its amount (unrounded, and rounded to the
    currency) and the steps of it.

    `windows` has the columns of charge_windows and `quantity` (of a fee its fixed quantity);
    `parts` (columns of PARTS) what the windows of models that read parts are made of.
    """
    _refuse_unknown_models(windows)
    _refuse_missing(windows, "quantity")
    told, known = windows, pl.DataFrame(schema=dict(PARTS)) if parts is None else parts
    has_fees = fees.is_here(windows)
    if has_fees:
        told, known = fees.asked(windows, known)
    by_model, parts_by_model = (_by_model(one) for one in (told, _of_models(told, known)))
    none = pl.DataFrame(schema=dict(PARTS))
    rated = [
        model.rate(by_model[name], parts_by_model.get(name, none))
        if model.reads_parts
        else model.rate(by_model[name])
        for name, model in MODELS.items()
        if name in by_model
    ]
    amounts = pl.concat([_NOTHING, *(one.select(RATED) for one in rated)])
    if has_fees:
        amounts = fees.by_share(windows, amounts)
    result = windows.select("window_id", "currency", pl.col("quantity").cast(QUANTITY)).join(
        amounts, on="window_id", how="left", validate="1:1", maintain_order="left"
    )
    _refuse_missing(result, "amount_unrounded")
    return result.select(
        "window_id",
        "quantity",
        "amount_unrounded",
        amount=rounded(pl.col("amount_unrounded"), pl.col("currency")),
        steps="steps",
    )


def _of_models(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The parts of these windows with the model of their window."""
    return parts.join(windows.select("window_id", "price_model"), on="window_id", how="inner")


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


def _refuse_missing(windows: pl.DataFrame, column: str) -> None:
    missing = windows.filter(pl.col(column).is_null())
    if missing.height:
        raise UsageError(
            f"{missing.height} windows have no {column}, the first is {missing['window_id'][0]!r}. "
            "Nothing was rated. Every window needs a quantity (0 if nothing was used) "
            "and a complete price."
        )

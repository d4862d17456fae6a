"""What an incomplete period has only its share of: bounds, flats, packages, free units of prices.

`stub_flags` says what a contract's profile says of it, as `+tiers -minimum`. A price that is cut is
another price: each distinct text and share is written once, and rated like any other. Modifiers
are prorated unless they, or the profile, say that they are not.
"""

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.pricing.divided import PERIOD, goes_on

# What a tier, a price and an item say, by the flag that cuts it.
_TIER = {"up_to": "tiers", "flat_amount": "tier_flats", "amount": "tier_flats"}
_PRICE = {"included_units": "included", "free_units": "included", "free_amount": "included"}
_PACKAGE = {"package_size": "package"}
_MODIFIERS = {
    "included_quantity": "included",
    "minimum": "minimum",
    "maximum": "maximum",
    "commitment": "commitment",
}
_OF_PRICES = ("tiers", "tier_flats", "included", "package")
# Their bounds are those of a bucket of time, or of levels that are prorated already.
_UNCUT = ("bucketed", "windowed_commitment", "prorated_graduated", "prorated_volume", "flat")
_UNITS = ("unit_amount", "rate", "bps")
# Quantities have 12 decimals; with those of the price at most 18, so that products stay exact.
_PLACES, _SCALE = 12, 18
_QUOTIENT = Context(prec=96, rounding=ROUND_HALF_EVEN)


def cut_terms(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows in their order with the prices and modifiers that their share leaves of them.

    Reads stub_flags, share_numerator, share_denominator and the columns of PERIOD.
    """
    if windows["stub_flags"].null_count() == windows.height:
        return windows
    # Items say prorate for all that they have; the profile says where nothing is cut.
    told = _rewritten(windows, "modifiers", pl.col("modifiers").is_not_null(), _unprorated)
    cuts = pl.any_horizontal(
        pl.col("stub_flags").str.contains(f"+{flag}", literal=True) for flag in _OF_PRICES
    )
    shared = told.with_columns(share_text=_share())
    is_cut = cuts & (pl.col("component") == "usage") & ~pl.col("price_model").is_in(_UNCUT)
    return _rewritten(shared, "price", is_cut.fill_null(value=False), _cut).drop("share_text")


def cut(price: Mapping[str, Any], share: Fraction, flags: Mapping[str, bool]) -> dict[str, Any]:
    """The price of a period that is only this share of a full one, by the flags that are true."""
    if price["model"] in _UNCUT:
        return dict(price)
    places = min(_PLACES, _SCALE - max(_decimals(price), default=0))
    return _part(price, share, flags, places, {**_PRICE, **_PACKAGE})


def _part(
    terms: Mapping[str, Any],
    share: Fraction,
    flags: Mapping[str, bool],
    places: int,
    names: Mapping[str, str],
) -> dict[str, Any]:
    """Some terms with what their share leaves of the named fields, and of the tiers inside them."""
    result = dict(terms)
    for name, flag in names.items():
        if terms.get(name) is not None and flags.get(flag):
            result[name] = _times(terms[name], share, _SCALE if flag == "tier_flats" else places)
    if "limits" in terms and flags.get("tiers"):
        result["limits"] = {k: _times(v, share, places) for k, v in terms["limits"].items()}
    tiers = terms.get("tiers")
    if tiers:
        own = {**_TIER, **_PACKAGE}
        result["tiers"] = [_part(tier, share, flags, places, own) for tier in tiers]
    for name in ("price", "default"):
        if isinstance(terms.get(name), Mapping):
            result[name] = cut(terms[name], share, flags)
    if terms.get("cells"):
        result["cells"] = [_part(cell, share, flags, places, {}) for cell in terms["cells"]]
    return result


def _times(text: str, share: Fraction, places: int) -> str:
    """A share of a number, rounded once to so many places and never to nothing."""
    smallest = Decimal(1).scaleb(-places)
    product = _QUOTIENT.multiply(Decimal(text), Decimal(share.numerator))
    # exact: multiplied first, divided once, with 96 digits before it is rounded.
    whole = _QUOTIENT.divide(product, Decimal(share.denominator))
    rounded = whole.quantize(smallest, ROUND_HALF_UP, _QUOTIENT)
    return format(max(rounded, smallest) if Decimal(text) else Decimal(0), "f")


def _decimals(terms: Any) -> list[int]:
    """The decimals of whatever multiplies a quantity anywhere in a price."""
    if isinstance(terms, Mapping):
        own = [_places(terms[name], name) for name in _UNITS if terms.get(name) is not None]
        return own + [one for part in terms.values() for one in _decimals(part)]
    return [one for part in terms for one in _decimals(part)] if isinstance(terms, list) else []


def _places(text: str, name: str) -> int:
    exponent = Decimal(text).normalize().as_tuple().exponent
    # A basis point is a shift by four decimals.
    return max(-int(exponent), 0) + (4 if name == "bps" else 0)


def _share() -> pl.Expr:
    """The shares of all parts of a period that goes on, else the window's own: 16/31 15/31."""
    own = pl.format("{}/{}", "share_numerator", "share_denominator")
    first = pl.when(pl.col("charge_id").is_first_distinct()).then(own)
    together = first.drop_nulls().str.join(" ").over(PERIOD)
    return pl.when(goes_on()).then(together).otherwise(own)


def _rewritten(windows: pl.DataFrame, column: str, which: pl.Expr, how: Any) -> pl.DataFrame:
    """The windows with a text column written anew where `which` holds, once for each distinct."""
    keys = [name for name in (column, "stub_flags", "share_text") if name in windows.columns]
    asked = windows.filter(which & pl.col("stub_flags").is_not_null()).select(keys).unique()
    if asked.is_empty():
        return windows
    texts = [how(*row) for row in asked.iter_rows()]
    known = asked.with_columns(anew=pl.Series(texts, dtype=pl.String))
    joined = windows.join(known, on=keys, how="left", maintain_order="left", nulls_equal=True)
    told = pl.when(which).then(pl.coalesce("anew", column)).otherwise(column)
    return joined.with_columns(told.alias(column)).drop("anew")


def _unprorated(modifiers: str, flags: str) -> str:
    said, terms = _read(flags), json.loads(modifiers)
    for name, flag in _MODIFIERS.items():
        if terms.get(name) is not None and said.get(flag) is False:
            terms[name]["prorate"] = False
    return canonical_json(terms)


def _cut(price: str, flags: str, shares: str) -> str:
    share = sum((Fraction(*map(int, one.split("/"))) for one in shares.split(" ")), Fraction(0))
    if not 0 < share < 1:
        return price
    return canonical_json(cut(json.loads(price), share, _read(flags)))


def _read(flags: str) -> dict[str, bool]:
    return {one[1:]: one[0] == "+" for one in flags.split(" ")}

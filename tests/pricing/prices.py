"""Random prices of the models that need one quantity, or events in order."""

from decimal import Decimal

import polars as pl
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.money import QUANTITY
from meterhouse.pricing.models import PARTS

BY_EVENT = ("percentage", "bps", "bulk_bps", "tiered_bps")
BY_QUANTITY = (
    *("per_unit", "graduated", "volume", "stairstep", "package", "overage", "dynamic"),
    "graduated_percentage",
)


def scaled(low, high, decimals):
    """Decimals of exactly that scale, the extremes included."""
    return st.integers(low * 10**decimals, high * 10**decimals).map(
        lambda units: Decimal(units).scaleb(-decimals)
    )


def written(numbers):
    return numbers.map(lambda number: format(number, "f"))


@st.composite
def prices(draw, model, decimals=12):
    """A price as the book holds it whose unit has at most that many decimals."""
    money = written(scaled(0, 10**6, decimals))
    return {"model": model, **draw(_OF[model](money, decimals))}


def quantities(decimals):
    """From -100 to 10^12, and 0, with all decimals that the scale budget leaves."""
    return scaled(-100, 10**12, decimals) | st.just(Decimal(0))


def _bounds(draw):
    bounds = draw(st.lists(scaled(1, 10**6, 3), unique=True, max_size=4).map(sorted))
    # A bound as good as endless must not make what lies far below it overflow.
    huge = draw(st.sampled_from([[], ["999999999999999"]]))
    return [*map(str, bounds), *huge, None]


def _tiers(*others, **fields):
    @st.composite
    def made(draw):
        tiers = []
        for bound in _bounds(draw):
            tier = {"up_to": bound} | {name: draw(value) for name, value in fields.items()}
            for other in others:
                tier |= draw(st.just({}) | other)
            tiers.append(tier)
        return {"tiers": tiers, "bill_flat_on_zero": draw(st.booleans())}

    return made()


def _units(money, decimals):
    packages = st.fixed_dictionaries(
        {"package_size": written(scaled(1, 10**4, 3)), "package_amount": written(scaled(0, 9, 12))}
    )
    caps = st.fixed_dictionaries({"cap": written(scaled(0, 10**5, 12))})
    return _tiers(packages, caps, unit_amount=money, flat_amount=written(scaled(0, 10**3, 12)))


def _per_unit(money, decimals):
    powers = st.integers(0, decimals)
    return powers.flatmap(
        lambda power: st.fixed_dictionaries(
            {
                "unit_amount": written(scaled(-(10**6), 10**6, decimals - power)),
                "per": st.just(str(10**power)),
            }
        )
    )


def _rate(decimals):
    return written(scaled(0, 1, decimals))


def _percentage(money, decimals):
    amounts = written(scaled(0, 100, 6))
    limits = st.tuples(st.none() | scaled(0, 9, 3), st.none() | scaled(10, 99, 3))
    return st.fixed_dictionaries(
        {
            "rate": _rate(decimals),
            "fixed_amount": st.just("0") | amounts,
            "free_events": st.integers(0, 4),
            "free_amount": st.just("0") | amounts,
            "bill_fixed_on_zero": st.booleans(),
            "limits": limits.map(lambda both: [None if one is None else str(one) for one in both]),
        }
    ).map(_with_limits)


def _with_limits(price):
    low, high = price.pop("limits")
    return price | {"min_per_event": low, "max_per_event": high}


def _points(decimals):
    return {
        "bps": written(scaled(0, 10**4, max(decimals - 4, 0))),
        "per_event_cap": st.none() | written(scaled(0, 100, 6)),
    }


_OF = {
    "per_unit": _per_unit,
    "graduated": _units,
    "volume": _units,
    "stairstep": lambda money, decimals: _tiers(flat_amount=money),
    "package": lambda money, decimals: st.fixed_dictionaries(
        {
            "package_size": written(scaled(1, 10**4, 6)),
            "package_amount": money,
            "free_units": written(scaled(0, 10**4, 6)),
            "rounding": st.sampled_from(["up", "down"]),
        }
    ),
    "overage": lambda money, decimals: st.fixed_dictionaries(
        {"included_units": written(scaled(0, 10**4, 6)), "unit_amount": money}
    ),
    "dynamic": lambda money, decimals: st.fixed_dictionaries({"multiplier": money}),
    "graduated_percentage": lambda money, decimals: _tiers(rate=_rate(decimals), flat_amount=money),
    "percentage": _percentage,
    "bps": lambda money, decimals: st.fixed_dictionaries(_points(decimals)),
    "bulk_bps": lambda money, decimals: _tiers(**_points(decimals)),
    "tiered_bps": lambda money, decimals: _tiers(**_points(decimals)),
}


def windows(rows):
    """One window per (price, quantity), numbered from 0000."""
    return pl.DataFrame(
        [
            {
                "window_id": f"{number:04}",
                "price_model": price["model"],
                "price": canonical_json(price),
                "quantity": Decimal(quantity),
                "currency": "EUR",
            }
            for number, (price, quantity) in enumerate(rows)
        ],
        schema={
            **dict.fromkeys(("window_id", "price_model", "price"), pl.String),
            "quantity": QUANTITY,
            "currency": pl.String,
        },
    )


def events(of_windows):
    """The parts of windows numbered from 0000: one list of values for each, or None."""
    return pl.DataFrame(
        [
            {
                "window_id": f"{number:04}",
                "part_no": place,
                "keys": "{}",
                "quantity": Decimal(value),
                "weight_numerator": 1,
                "weight_denominator": 1,
            }
            for number, values in enumerate(of_windows)
            for place, value in enumerate(values)
        ],
        schema=dict(PARTS),
    )

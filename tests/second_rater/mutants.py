"""Faults of one operator, bound or rounding, planted into the functions that rate."""

import importlib
import inspect
from typing import NamedTuple

SHOWN_BY = {
    "cells": ("matrix",),
    "continued": ("graduated", "per_unit"),
    "divided": ("graduated", "per_unit"),
    "discounts": ("per_unit",),
    "fees": ("graduated", "per_unit"),
    "flat": ("flat", "graduated", "per_unit"),
    "items": ("per_unit",),
    "limits": ("per_unit",),
    "money": ("flat", "per_unit"),
    "packages": ("package",),
    "parts": ("bucketed",),
    "per_event": ("percentage",),
    "quantities": ("graduated", "per_unit"),
    "steps": ("per_unit",),
    "tiers": ("graduated", "volume"),
}


class Mutant(NamedTuple):
    """In `module` of meterhouse, the text `old` becomes `new`; `why` says why nothing can tell."""

    module: str
    old: str
    new: str
    why: str = ""

    @property
    def models(self):
        """The price models by which a fault in the module shows: to rate all takes time."""
        name = self.module.rpartition(".")[2]
        return SHOWN_BY.get(name, (name,))


PLANTED = {
    "pricing.tiers": (
        ("allow_exact_matches=False", "allow_exact_matches=True"),
        (".clip(lower_bound=ZERO)", ".abs()", "below zero nothing is charged, whatever the tier"),
        ("- 1,\n        )", "- 2,\n        )"),
        ('units * pl.col("unit") +', 'units * pl.col("unit") -'),
        ('+ pl.col("flat_amount")\n    return', "\n    return"),
        ('pl.when(whole > pl.col("cap"))', 'pl.when(whole < pl.col("cap"))'),
        (
            'pl.when(whole > pl.col("cap"))',
            'pl.when(whole >= pl.col("cap"))',
            "at the limit both are the limit",
        ),
        ("up=True)\n    packed", "up=False)\n    packed"),
        (
            'up_to=pl.when(~pl.col("is_last"))',
            "up_to=pl.when(True)",
            "the last tier says no bound: the door refuses one",
        ),
    ),
    "pricing.graduated": (
        ('units = pl.col("quantity") - pl.col("above")', 'units = pl.col("quantity")'),
        ('reached = (pl.col("asked") > 0)', 'reached = (pl.col("asked") > 1)'),
        ('& pl.col("bill_flat_on_zero"))\n    # Tiers', ")\n    # Tiers"),
        ('.then(pl.col("before") + pl.col("amount"))', '.then(pl.col("amount"))'),
        ('below = pl.col("full").shift(fill_value=ZERO)', 'below = pl.col("full")'),
    ),
    "pricing.volume": (
        ('charged = (pl.col("asked") > 0)', 'charged = (pl.col("asked") >= 0)'),
        ("amount=tiers.cost(units)", 'amount=tiers.cost(units - pl.col("above"))'),
    ),
    "pricing.stairstep": (("volume.rate(windows, unit=None)", "volume.rate(windows)"),),
    "pricing.graduated_percentage": (
        ("graduated.rate(windows, unit=tiers.RATE)", "graduated.rate(windows, unit=tiers.UNIT)"),
    ),
    "pricing.packages": (
        ("short = guess * size < units", "short = guess * size <= units"),
        (
            "short = (guess + one) * size <= units",
            "short = (guess + one) * size < units",
            "a quotient that is whole is exact",
        ),
        (".floor()", ".ceil()", "the products put right what is one off"),
        (
            "over = (guess - one) * size >= units",
            "over = pl.lit(False)",
            "no quotient is rounded up by a whole package",
        ),
        ("over = guess * size > units", "over = pl.lit(False)"),
        ("short = guess * size < units", "short = guess < units / size"),
    ),
    "pricing.package": (
        ('pl.col("rounding") == "up"', 'pl.col("rounding") != "up"'),
        ('units, size = pl.col("quantity") - pl.col("free")', 'units, size = pl.col("quantity")'),
        ("free=pl.min_horizontal", "free=pl.max_horizontal"),
    ),
    "pricing.overage": (
        ("free=pl.min_horizontal", "free=pl.max_horizontal"),
        (
            'pl.col("quantity") - pl.col("free"))\n        .with_columns(amount',
            'pl.col("quantity"))\n        .with_columns(amount',
        ),
    ),
    "pricing.per_unit": (('number("unit_amount") / number("per")', 'number("unit_amount")'),),
    "pricing.dynamic": (
        ('pl.col("value") * pl.col("multiplier"))', 'pl.col("value") + pl.col("multiplier"))'),
    ),
    "pricing.steps": (
        ("pl.when(quantity > 0)", "pl.when(quantity > 1)"),
        (
            "pl.when(quantity > 0)",
            "pl.when(quantity >= 0)",
            "nothing is nothing, whatever its sign",
        ),
        (
            "return pl.when(quantity > 0).then(quantity).otherwise(pl.lit(ZERO, dtype=AMOUNT))",
            "return quantity",
        ),
    ),
    "pricing.percentage": (
        ('pl.col("place") <= pl.col("free_events")', 'pl.col("place") < pl.col("free_events")'),
        ('pl.col("running") <= pl.col("free_amount")', 'pl.col("running") < pl.col("free_amount")'),
        (
            'left = pl.col("free_amount") - (pl.col("running") - pl.col("value"))',
            'left = pl.col("free_amount") + (pl.col("running") - pl.col("value"))',
        ),
        (
            'of_amount = pl.max_horizontal(pl.min_horizontal(left, "value"), nought)',
            "of_amount = nought",
        ),
    ),
    "pricing.per_event": (
        ('fee = pl.col("share") + pl.col("fixed")', 'fee = pl.col("share")'),
        ('pl.when(~pl.col("is_free") & (amount > 0))', "pl.when(amount > 0)"),
        ('(pl.col("value") == 0) & ~pl.col("bill_fixed_on_zero")', "pl.lit(value=False)"),
        ("pays.cast(AMOUNT)", 'pl.col("count").cast(AMOUNT)'),
        ('+ pl.col("lifted") - pl.col("cut")', '+ pl.col("lifted")'),
        (
            'share = (pl.col("value") - pl.col("free_part")) * pl.col("rate")',
            'share = pl.col("value") * pl.col("rate")',
        ),
    ),
    "pricing.bps": (("points / pl.lit(IN_ONE", "points / pl.lit(Decimal(1000)"),),
    "pricing.bulk_bps": (
        ('(total > pl.col("above"))', '(total >= pl.col("above"))'),
        ('(total <= pl.col("up_to"))', '(total < pl.col("up_to"))'),
    ),
    "pricing.tiered_bps": (
        ('- pl.max_horizontal(before, "above")', "- before"),
        (
            'running > pl.col("above")',
            'running >= pl.col("above")',
            "a slice of nothing costs nothing",
        ),
    ),
    "pricing.cells": (
        ("descending=[True, False]", "descending=[False, False]"),
        ('pl.col("met") == pl.col("n_keys")', 'pl.col("met") >= 1'),
    ),
    "pricing.matrix": (
        ('.agg(pl.col("quantity").sum(), rows', '.agg(pl.col("quantity").max(), rows'),
        (
            '(price_no, len(price["cells"]), *terms_of(price["default"]), "null")',
            '(price_no, len(price["cells"]) + 1, *terms_of(price["default"]), "null")',
        ),
    ),
    "pricing.two_dimensional": (
        ('(pl.col("by") > pl.col("above"))', '(pl.col("by") >= pl.col("above"))'),
        ('(pl.col("by") <= pl.col("up_to"))', '(pl.col("by") < pl.col("up_to"))'),
        ("for number in (0, 1)", "for number in (1, 0)"),
    ),
    "pricing.parts": (
        (
            'amount_unrounded=pl.col("amount").sum()',
            'amount_unrounded=pl.col("amount").max()',
        ),
    ),
    "pricing.windowed_commitment": (
        ('(gap < 0) & pl.col("true_up")', "(gap < 0)"),
        ('(gap < 0) & pl.col("true_up")', "(gap > 0)"),
        ('- pl.col("excess")\n            +', "+"),
        ('+ pl.col("excess") * pl.col("factor")', '+ pl.col("excess")'),
        (".then(-gap)", ".then(gap)"),
        (
            'inner.charge(Decimal(terms["commitment_quantity"]), terms["price"])',
            'Decimal(terms["commitment_quantity"])',
        ),
        ("pl.when(gap > 0)", "pl.when(gap >= 0)", "no excess costs nothing"),
    ),
    "pricing.prorated_graduated": (
        ('pl.col("quantity").cum_sum().over("at")', 'pl.col("quantity").over("at")'),
        ('peak=pl.col("level").max()', 'peak=pl.col("level").last()'),
        ('pl.col("final") >= 0', 'pl.col("final") > 0'),
        ('(pl.col("peak") > pl.col("above"))', '(pl.col("peak") >= pl.col("above"))'),
        ('_inside(pl.col("level")) -', 'pl.col("level") -'),
    ),
    "pricing.prorated_volume": (
        ('(pl.col("full") > pl.col("above"))', '(pl.col("full") >= pl.col("above"))'),
        ('pl.col("full") <= pl.col("up_to")', 'pl.col("full") < pl.col("up_to")'),
        ('* pl.col("numerator").cast(AMOUNT)', ""),
        ('pl.max_horizontal("charged", parts_of.NOUGHT)', 'pl.col("charged")'),
        (
            '(pl.col("full") == 0) & pl.col("bill_flat_on_zero")',
            'pl.col("full") == 0',
        ),
    ),
    "pricing.capacity": (
        ('pl.col("quantity") > pl.col("limit")', 'pl.col("quantity") >= pl.col("limit")'),
        ("descending=[True, False]", "descending=[False, False]"),
    ),
    "pricing.modifiers.quantities": (
        ("over * _TWO + under, under * _TWO", "over * _TWO, under * _TWO"),
        (
            ".then(packages.packages(over, under, up=True))",
            ".then(packages.packages(over, under, up=False))",
        ),
        ('terms.field("op") == "multiply", field', 'terms.field("op") != "multiply", field'),
        (
            "pl.when(quantity > 0).then(_converted(quantity))",
            "pl.when(quantity != 0).then(_converted(quantity))",
        ),
        ("return exact + free.fill_null(zero())", "return exact"),
        ("reached = pl.min_horizontal(whole, size)", "reached = whole"),
        ("before = pl.min_horizontal(whole - wanted, size)", "before = zero()"),
        ("whole = wanted.cum_sum().over(group)", "whole = wanted"),
    ),
    "pricing.modifiers.discounts": (
        (
            'pl.coalesce(pl.col("percentage") * positive, "off")',
            'pl.coalesce(pl.col("percentage"), "off")',
        ),
        (
            'pl.min_horizontal(places(asked), positive, places(pl.col("cap")))',
            "pl.min_horizontal(places(asked), positive)",
            "the sum of the period is cut to the same cap",
        ),
        (
            "pl.min_horizontal(places(asked), positive, places",
            "pl.min_horizontal(asked, positive, places",
        ),
        ("pl.col(at) >= from_on", "pl.col(at) > from_on"),
        ("pl.col(at) < until_on", "pl.col(at) <= until_on"),
        ('by = (pl.col("order").is_null(), "order",', "by = ("),
        ('pl.col("percentage").is_null(), "place")', '"place")'),
        ('net=pl.col("net") - pl.col("took")', 'net=pl.col("net")'),
    ),
    "pricing.modifiers.limits": (
        (
            'pl.col("so_far") - pl.col("limit_so_far"), zero())',
            'pl.col("so_far") + pl.col("limit_so_far"), zero())',
        ),
        ("return -_of_this(_over())", "return _of_this(_over())"),
        ("pl.when((short > 0) &", "pl.when((short < 0) &"),
        ("- excess)", ")"),
        (
            'pl.when(pl.col("commitment").struct.field("true_up")).then(_short())',
            "pl.when(True).then(_short())",
        ),
    ),
    "pricing.modifiers.items": (
        ('gross=pl.col("amount").sum()', 'gross=pl.col("amount").first()'),
        ('net=pl.col("net") + pl.col("line_amount")', 'net=pl.col("net")'),
    ),
    "money": (
        ('mode="half_away_from_zero"', 'mode="half_to_even"'),
        (".round(count, mode", ".round(2, mode"),
        (
            'at_count = amount.cast(AMOUNT).round(count, mode="half_away_from_zero")',
            "at_count = amount.cast(AMOUNT).truncate(count)",
        ),
    ),
    "pricing.flat": (
        (
            'fee * number("days") / number("period_days")  #',
            'fee / number("period_days") * number("days")  #',
        ),
        ('fee = number("amount") * pl.col("quantity")', 'fee = number("amount")'),
        ('number("days")).cast(AMOUNT)', "denominator).cast(AMOUNT)"),
        ('(pl.col("credit_basis") == "billed")', '(pl.col("credit_basis") == "price")'),
        ("& is_same &", "&"),
        (
            'pl.min_horizontal(rounded(of, pl.col("currency")), billed)',
            'rounded(of, pl.col("currency"))',
        ),
        (
            'pl.min_horizontal(rounded(of, pl.col("currency")), billed)',
            "pl.min_horizontal(of, billed)",
        ),
        ("left=billed - unused", "left=billed + unused"),
    ),
    "pricing.fees": (
        (
            'reached = pl.col("quantity").cast(AMOUNT) + above',
            'reached = pl.col("quantity").cast(AMOUNT)',
        ),
        ("_is_fee() & (above > 0)", "_is_fee() & (above > 6)"),
        (
            'full=pl.col("amount_unrounded") - pl.col("off")',
            'full=pl.col("amount_unrounded") + pl.col("off")',
        ),
        (
            'pl.when(pl.col("days") == pl.col("period_days")).then("full")',
            'pl.when(pl.col("days") != pl.col("period_days")).then("full")',
        ),
    ),
    "pricing.divided": (
        ("total = own.cum_sum().over(POSITION)", "total = own"),
        ("n_unique().over(PERIOD) > 1", "n_unique().over(PERIOD) > 3"),
    ),
    "pricing.continued": (
        ('(pl.col("nth") > 0) &', '(pl.col("nth") > 1) &'),
        ("_term(later.filter(plain), -1, before", "_term(later.filter(plain), 1, before"),
        (
            '_LINEAR = ("dynamic", "per_unit")',
            "_LINEAR = ()",
            "after less before is the same as alone where units cost the same",
        ),
    ),
}
MUTANTS = tuple(Mutant(module, *one) for module, some in PLANTED.items() for one in some)


def module_of(mutant):
    """The module that a mutant changes."""
    return importlib.import_module(f"meterhouse.{mutant.module}")


def planted(mutant, monkeypatch):
    """Have the functions of the module, wherever they were imported, run the changed text."""
    module = module_of(mutant)
    text = inspect.getsource(module)
    assert text.count(mutant.old) == 1, f"{mutant.old!r} is there {text.count(mutant.old)} times"
    changed = {"__name__": module.__name__}
    exec(compile(text.replace(mutant.old, mutant.new), "mutant", "exec"), changed)
    for name, made in changed.items():
        own = getattr(module, name, None)
        if inspect.isfunction(made) and made.__module__ == module.__name__:
            monkeypatch.setattr(own, "__code__", made.__code__)
        elif name.isupper() and isinstance(made, str | tuple | dict) and own != made:
            monkeypatch.setattr(module, name, made)


def table():
    """The mutants as a table of docs/second-rater.md."""
    rows = ["| In | this | becomes | Seen |", "| --- | --- | --- | --- |"]
    for one in MUTANTS:
        cells = [one.module, f"`{_line(one.old)}`", f"`{_line(one.new)}`", one.why and "no: "]
        rows.append(f"| {' | '.join(cells[:3])} | {cells[3]}{one.why or 'yes'} |")
    return "\n".join(rows)


def _line(text):
    """Code on one line, as a cell of a table takes it."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(table())

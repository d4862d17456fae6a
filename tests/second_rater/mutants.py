"""Faults of one operator, bound or rounding, planted into the functions that rate."""

import importlib
import inspect
from typing import NamedTuple


class Mutant(NamedTuple):
    """In `module` of meterhouse, the text `old` becomes `new`; `why` says why nothing can tell."""

    module: str
    old: str
    new: str
    why: str = ""

    @property
    def model(self):
        """The price model that the module is of, if it is of one."""
        return self.module.rpartition(".")[2]


LIMIT = 'pl.when(whole > pl.col("cap"))'
MUTANTS = (
    # Tiers.
    Mutant("pricing.tiers", "allow_exact_matches=False", "allow_exact_matches=True"),
    Mutant("pricing.tiers", ".clip(lower_bound=ZERO)", ".abs()",
           "below zero nothing is charged, whatever the tier"),
    Mutant("pricing.tiers", "- 1,\n        )", "- 2,\n        )"),
    Mutant("pricing.tiers", "units * pl.col(\"unit\") +", "units * pl.col(\"unit\") -"),
    Mutant("pricing.tiers", "+ pl.col(\"flat_amount\")\n    return", "\n    return"),
    Mutant("pricing.tiers", LIMIT, "pl.when(whole < pl.col(\"cap\"))"),
    Mutant("pricing.tiers", LIMIT, LIMIT.replace(">", ">="), "at the limit both are the limit"),
    Mutant("pricing.tiers", "up=True)\n    packed", "up=False)\n    packed"),
    Mutant("pricing.tiers", "up_to=pl.when(~pl.col(\"is_last\"))", "up_to=pl.when(True)",
           "the last tier says no bound: the door refuses one"),
    Mutant("pricing.graduated", "units = pl.col(\"quantity\") - pl.col(\"above\")",
           "units = pl.col(\"quantity\")"),
    Mutant("pricing.graduated", "reached = (pl.col(\"asked\") > 0)", "reached = (pl.col(\"asked\") > 1)"),
    Mutant("pricing.graduated", "& pl.col(\"bill_flat_on_zero\"))\n    # Tiers", ")\n    # Tiers"),
    Mutant("pricing.graduated", ".then(pl.col(\"before\") + pl.col(\"amount\"))",
           ".then(pl.col(\"amount\"))"),
    Mutant("pricing.graduated", "below = pl.col(\"full\").shift(fill_value=ZERO)",
           "below = pl.col(\"full\")"),
    Mutant("pricing.volume", "charged = (pl.col(\"asked\") > 0)", "charged = (pl.col(\"asked\") >= 0)"),
    Mutant("pricing.volume", "amount=tiers.cost(units)", "amount=tiers.cost(units - pl.col(\"above\"))"),
    Mutant("pricing.stairstep", "unit=None)\n\n\ndef rate", "unit=None)\n\n\ndef rate",
           "nothing is changed: the runner itself must see no difference"),
    Mutant("pricing.graduated_percentage", "graduated.rate(windows, unit=tiers.RATE)",
           "graduated.rate(windows, unit=tiers.UNIT)"),
    # Packages.
    Mutant("pricing.packages", "short = guess * size < units", "short = guess * size <= units"),
    Mutant("pricing.packages", "short = (guess + one) * size <= units",
           "short = (guess + one) * size < units", "a quotient that is whole is exact"),
    Mutant("pricing.packages", ".floor()", ".ceil()", "the products put right what is one off"),
    Mutant("pricing.packages", "over = (guess - one) * size >= units", "over = pl.lit(False)",
           "no quotient is rounded up by a whole package"),
    Mutant("pricing.packages", "over = guess * size > units", "over = pl.lit(False)"),
    Mutant("pricing.packages", "short = guess * size < units", "short = guess < units / size"),
    Mutant("pricing.package", "pl.col(\"rounding\") == \"up\"", "pl.col(\"rounding\") != \"up\""),
    Mutant("pricing.package", "units, size = pl.col(\"quantity\") - pl.col(\"free\")",
           "units, size = pl.col(\"quantity\")"),
    Mutant("pricing.package", "free=pl.min_horizontal", "free=pl.max_horizontal"),
    # One quantity.
    Mutant("pricing.overage", "free=pl.min_horizontal", "free=pl.max_horizontal"),
    Mutant("pricing.overage", "pl.col(\"quantity\") - pl.col(\"free\"))\n        .with_columns(amount",
           "pl.col(\"quantity\"))\n        .with_columns(amount"),
    Mutant("pricing.per_unit", "number(\"unit_amount\") / number(\"per\")", "number(\"unit_amount\")"),
    Mutant("pricing.dynamic", "pl.col(\"value\") * pl.col(\"multiplier\"))",
           "pl.col(\"value\") + pl.col(\"multiplier\"))"),
    Mutant("pricing.steps", "pl.when(quantity > 0)", "pl.when(quantity > 1)"),
    Mutant("pricing.steps", "pl.when(quantity > 0)", "pl.when(quantity >= 0)",
           "nothing is nothing, whatever its sign"),
    Mutant("pricing.steps", "return pl.when(quantity > 0).then(quantity).otherwise(pl.lit(ZERO, dtype=AMOUNT))",
           "return quantity"),
    # Shares of money.
    Mutant("pricing.percentage", "left = pl.col(\"free_amount\") - (pl.col(\"running\") - pl.col(\"value\"))",
           "left = pl.col(\"free_amount\") + (pl.col(\"running\") - pl.col(\"value\"))"),
    Mutant("pricing.percentage", "of_amount = pl.max_horizontal(pl.min_horizontal(left, \"value\"), nought)",
           "of_amount = nought"),
    Mutant("pricing.per_event", "share = (pl.col(\"value\") - pl.col(\"free_part\")) * pl.col(\"rate\")",
           "share = pl.col(\"value\") * pl.col(\"rate\")"),
    Mutant("pricing.bps", "points / pl.lit(IN_ONE", "points / pl.lit(Decimal(1000)"),
    Mutant("pricing.bulk_bps", "(total > pl.col(\"above\"))", "(total >= pl.col(\"above\"))"),
    Mutant("pricing.bulk_bps", "(total <= pl.col(\"up_to\"))", "(total < pl.col(\"up_to\"))"),
    Mutant("pricing.tiered_bps", "- pl.max_horizontal(before, \"above\")", "- before"),
    Mutant("pricing.tiered_bps", "running > pl.col(\"above\")", "running >= pl.col(\"above\")",
           "a slice of nothing costs nothing"),
    # Parts.
    Mutant("pricing.cells", "descending=[True, False]", "descending=[False, False]"),
    Mutant("pricing.cells", "pl.col(\"met\") == pl.col(\"n_keys\")", "pl.col(\"met\") >= 1"),
    Mutant("pricing.matrix", ".agg(pl.col(\"quantity\").sum(), rows", ".agg(pl.col(\"quantity\").max(), rows"),
    Mutant("pricing.matrix", "(price_no, len(price[\"cells\"]), *terms_of(price[\"default\"]), \"null\")",
           "(price_no, len(price[\"cells\"]) + 1, *terms_of(price[\"default\"]), \"null\")"),
    Mutant("pricing.two_dimensional", "(pl.col(\"by\") > pl.col(\"above\"))", "(pl.col(\"by\") >= pl.col(\"above\"))"),
    Mutant("pricing.two_dimensional", "(pl.col(\"by\") <= pl.col(\"up_to\"))", "(pl.col(\"by\") < pl.col(\"up_to\"))"),
    Mutant("pricing.two_dimensional", "for number in (0, 1)", "for number in (1, 0)"),
    Mutant("pricing.capacity", "pl.col(\"quantity\") > pl.col(\"limit\")", "pl.col(\"quantity\") >= pl.col(\"limit\")"),
    Mutant("pricing.capacity", "descending=[True, False]", "descending=[False, False]"),
    # Units before the price.
    Mutant("pricing.modifiers.quantities", "over * _TWO + under, under * _TWO", "over * _TWO, under * _TWO"),
    Mutant("pricing.modifiers.quantities", ".then(packages.packages(over, under, up=True))",
           ".then(packages.packages(over, under, up=False))"),
    Mutant("pricing.modifiers.quantities", "terms.field(\"op\") == \"multiply\", field", "terms.field(\"op\") != \"multiply\", field"),
    Mutant("pricing.modifiers.quantities", "pl.when(quantity > 0).then(_converted(quantity))",
           "pl.when(quantity != 0).then(_converted(quantity))"),
    Mutant("pricing.modifiers.quantities", "return exact + free.fill_null(zero())", "return exact"),
    Mutant("pricing.modifiers.quantities", "reached = pl.min_horizontal(whole, size)", "reached = whole"),
    Mutant("pricing.modifiers.quantities", "before = pl.min_horizontal(whole - wanted, size)", "before = zero()"),
    Mutant("pricing.modifiers.quantities", "whole = wanted.cum_sum().over(group)", "whole = wanted"),
    # Rounding.
    Mutant("money", "mode=\"half_away_from_zero\"", "mode=\"half_to_even\""),
    Mutant("money", ".round(count, mode", ".round(2, mode"),
    Mutant("money", "at_count = amount.cast(AMOUNT).round(count, mode=\"half_away_from_zero\")",
           "at_count = amount.cast(AMOUNT).truncate(count)"),
    # Fees, and what a change leaves of them.
    Mutant("pricing.flat", "fee * number(\"days\") / number(\"period_days\")  #",
           "fee / number(\"period_days\") * number(\"days\")  #"),
    Mutant("pricing.flat", "fee = number(\"amount\") * pl.col(\"quantity\")", "fee = number(\"amount\")"),
    Mutant("pricing.flat", "number(\"days\")).cast(AMOUNT)", "denominator).cast(AMOUNT)"),
    Mutant("pricing.flat", "(pl.col(\"credit_basis\") == \"billed\")", "(pl.col(\"credit_basis\") == \"price\")"),
    Mutant("pricing.flat", "& is_same &", "&"),
    Mutant("pricing.flat", "pl.min_horizontal(rounded(of, pl.col(\"currency\")), billed)",
           "rounded(of, pl.col(\"currency\"))"),
    Mutant("pricing.flat", "pl.min_horizontal(rounded(of, pl.col(\"currency\")), billed)",
           "pl.min_horizontal(of, billed)"),
    Mutant("pricing.flat", "left=billed - unused", "left=billed + unused"),
    Mutant("pricing.fees", "reached = pl.col(\"quantity\").cast(AMOUNT) + above",
           "reached = pl.col(\"quantity\").cast(AMOUNT)"),
    Mutant("pricing.fees", "_is_fee() & (above > 0)", "_is_fee() & (above > 6)"),
    Mutant("pricing.fees", "full=pl.col(\"amount_unrounded\") - pl.col(\"off\")",
           "full=pl.col(\"amount_unrounded\") + pl.col(\"off\")"),
    Mutant("pricing.fees", "pl.when(pl.col(\"days\") == pl.col(\"period_days\")).then(\"full\")",
           "pl.when(pl.col(\"days\") != pl.col(\"period_days\")).then(\"full\")"),
    # Divided periods.
    Mutant("pricing.divided", "total = own.cum_sum().over(POSITION)", "total = own"),
    Mutant("pricing.divided", "n_unique().over(PERIOD) > 1", "n_unique().over(PERIOD) > 3"),
    Mutant("pricing.continued", "(pl.col(\"nth\") > 0) &", "(pl.col(\"nth\") > 1) &"),
    Mutant("pricing.continued", "_term(later.filter(plain), -1, before", "_term(later.filter(plain), 1, before"),
    Mutant("pricing.continued", "_LINEAR = (\"dynamic\", \"per_unit\")", "_LINEAR = ()",
           "after less before is the same as alone where units cost the same"),
)  # fmt: skip


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

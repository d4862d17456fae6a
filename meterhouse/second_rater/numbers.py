"""Exact numbers in SQL: whole 128-bit numbers of a smallest unit, never DOUBLE.

Money counts in 10^-18 of a currency, quantities in 10^-12 of a unit. What does not fit is null,
which the caller counts as not rated a second time.
"""

MONEY, UNITS = 18, 12


def whole(text: str, places: int) -> str:
    """SQL for a decimal text as a whole number of 10^-places; null if it has more decimals."""
    decimals = f"rtrim(split_part({text}, '.', 2), '0')"
    digits = f"split_part({text}, '.', 1) || rpad({decimals}, {places}, '0')"
    return f"case when length({decimals}) <= {places} then try(cast({digits} as hugeint)) end"


def ten_to(power: str) -> str:
    """SQL for ten to a whole number from 0 to 36."""
    return f"cast(rpad('1', cast(1 + ({power}) as integer), '0') as hugeint)"


def cost(units: str, price: str, places: str) -> str:
    """SQL for units (10^-12) at a price for one (10^-places), in 10^-18; null if it has more."""
    finer = ten_to(f"greatest({places} - {MONEY - UNITS}, 0)")
    coarser = ten_to(f"greatest({MONEY - UNITS} - {places}, 0)")
    # A finer price needs units that end in as many zeros: else the product has more decimals.
    return (
        f"case when {price} = 0 then 0::hugeint when ({units}) % {finer} = 0 "
        f"then try((({units}) // {finer}) * {price} * {coarser}) end"
    )


def part(amount: str, numerator: str, denominator: str, unit: str) -> str:
    """SQL for amount x numerator / denominator in whole `unit`s: multiplied first, divided once,
    halves away from zero."""
    product = f"(abs({amount}) * {numerator})"
    divisor = f"(cast({denominator} as hugeint) * {unit})"
    # exact: `//` of whole numbers cuts; the half of the divisor is added before, twice as large.
    return f"try(sign({amount}) * ((2::hugeint * {product} + {divisor}) // (2 * {divisor})))"


def money_text(units: str) -> str:
    """SQL for 10^-18 of a currency as a person writes it: 12.5, -0.03, 7."""
    one = ten_to("18")
    whole_part = f"cast(abs({units}) // {one} as varchar)"
    rest = f"rtrim(lpad(cast(abs({units}) % {one} as varchar), 18, '0'), '0')"
    return (
        f"case when {units} < 0 then '-' else '' end || {whole_part} "
        f"|| case when {rest} = '' then '' else '.' || {rest} end"
    )


# ISO 4217's currencies whose smallest unit is not a hundredth.
PLACES = """
case when {currency} in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF',
        'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 0
    when {currency} in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    when {currency} in ('CLF', 'UYW') then 4
    else 2 end
"""

"""Exact division in DuckDB, whose `/` gives DOUBLE: SQL macros over 128-bit whole numbers.

`exact_quotient(n, d, over, under, places, mode)` is n / d x over / under as decimal(38, 12),
rounded once: to `places` decimals (-9 to 12) by `mode` (half_up: halves away from zero, ceiling,
floor). n is a decimal(38, 12), all others are whole numbers. What does not fit 128 bits raises.
"""

import duckdb

SCALE = "1000000000000::hugeint"
# The digits of a decimal(38, 12) as one whole number; trunc and the rest are exact on decimals.
DIGITS = f"""
create or replace {{}} macro exact_digits(n) as
    cast(trunc(n) as hugeint) * {SCALE}
    + cast((n - trunc(n)) * cast(1000000000000 as decimal(13, 0)) as hugeint)
"""
POWER = """
create or replace {} macro exact_power(places) as
    ([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
        100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
        10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000,
        100000000000000000000, 1000000000000000000000]::hugeint[])[places + 1]
"""
# `//` and `%` of whole numbers cut towards zero.
ROUNDED = """
create or replace {} macro exact_rounded(n, d, mode) as
    n // d + case mode
        when 'half_up' then case when 2::hugeint * abs(n % d) >= abs(d) then sign(n) * sign(d)
            else 0 end
        when 'ceiling' then case when n % d <> 0 and (n < 0) = (d < 0) then 1 else 0 end
        when 'floor' then case when n % d <> 0 and (n < 0) <> (d < 0) then -1 else 0 end
        else error('the mode of rounding is half_up, ceiling or floor, not ' || mode)
    end
"""
# The quotient as whole units of its last place, and from there back to a decimal.
QUOTIENT = """
create or replace {} macro exact_quotient(n, d, over, under, places, mode) as
    cast(
        exact_rounded(
            exact_digits(cast(n as decimal(38, 12))) * cast(over as hugeint),
            cast(d as hugeint) * cast(under as hugeint) * exact_power(12 - places), mode
        ) * exact_power(12 - places) as decimal(38, 0)
    ) * cast('0.000000000001' as decimal(13, 12))
"""
MACROS = (DIGITS, POWER, ROUNDED, QUOTIENT)


def make_exact(db: duckdb.DuckDBPyConnection, *, temporary: bool = False) -> None:
    """Create the macros in the database of the connection, or for the connection alone."""
    for macro in MACROS:
        db.execute(macro.format("temporary" if temporary else ""))

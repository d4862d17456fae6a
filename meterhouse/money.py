"""Amounts of money: how many places each currency has, and the one rule that rounds to them."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from difflib import get_close_matches
from types import MappingProxyType

import polars as pl

from meterhouse.errors import UsageError

AMOUNT = pl.Decimal(38, 18)
QUANTITY = pl.Decimal(38, 12)

# ISO 4217, list one, as of 2026: BGN and ANG have left it; XCG, XAD and ZWG are in. Metals, SDRs
# and test codes have no minor unit, so nothing can be invoiced in them and they are not listed.
_CODES_BY_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
        CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
        GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
        LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
        NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
        XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

PLACES: Mapping[str, int] = MappingProxyType(
    {code: places for places, codes in _CODES_BY_PLACES.items() for code in codes.split()}
)


def places(currency: str) -> int:
    """How many decimal places the currency's smallest unit has."""
    if currency not in PLACES:
        nearest = get_close_matches(currency.upper(), PLACES, n=1, cutoff=0.5)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
        raise UsageError(f"{currency!r} is not an active ISO 4217 currency code{hint}")
    return PLACES[currency]


def round_half_away(amount: Decimal, places: int) -> Decimal:
    """The amount at `places` decimal places, halves away from zero, never a negative zero."""
    # A context of its own: the default one keeps 28 digits and would refuse or cut larger amounts.
    digits = max(amount.adjusted() + places + 2, 1)
    rounded = amount.quantize(
        Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=Context(prec=digits)
    )
    return rounded if rounded else rounded.copy_abs()


def rounded(amount: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """Each amount rounded half away from zero to its currency's places, as Decimal(38, 18)."""
    wanted = currency.replace_strict(dict(PLACES), return_dtype=pl.Int8)
    result = pl.lit(None, dtype=AMOUNT)
    for count in sorted(_CODES_BY_PLACES):
        at_count = amount.cast(AMOUNT).round(count, mode="half_away_from_zero")
        result = pl.when(wanted == count).then(at_count).otherwise(result)
    return result.cast(AMOUNT)

"""The text of one cell of a workbook, or why it has none: a cell is never bent.

Numbers of a workbook are IEEE doubles written in decimal: what has at most 15 significant digits is
what was meant; beyond that the digits may be another number's.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction
from math import ulp

EXACT_DIGITS = 15
# From here on a double stands for more than one integer.
FIRST_INEXACT = 2**53
DAY_MS = 86_400_000
# Serial 60 is 29 February 1900, a day that never was; below it the systems disagree.
FIRST_SERIAL, END_SERIAL = 61, 2_958_466
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
FROM_1904 = 1_462
AS_TEXT = "format the column as text"


class NotExact(Exception):
    """Why a cell cannot be taken, as the end of a sentence about it."""


def number_text(text: str) -> str:
    """A number as plain digits, without needless zeros and never with an exponent."""
    number = _decimal(text)
    if not number:
        return "0"
    _, digits, exponent = number.as_tuple()
    whole = isinstance(exponent, int) and exponent >= 0
    if whole and abs(number) >= FIRST_INEXACT:
        raise NotExact(f"holds {text}, an integer too long for a number cell; {AS_TEXT}")
    if not whole and len(digits) > EXACT_DIGITS:
        raise NotExact(f"holds {text}, more than {EXACT_DIGITS} digits; {AS_TEXT}")
    return f"{number:f}"


def moment_text(text: str, *, shows_time: bool, is_1904: bool) -> str:
    """`YYYY-MM-DD`, or `YYYY-MM-DD HH:MM:SS[.fff]` where the cell has or shows a time of day."""
    days = Fraction(_decimal(text)) + (FROM_1904 if is_1904 else 0)
    if not FIRST_SERIAL <= days < END_SERIAL:
        raise NotExact(f"holds the date number {text}, outside 1900-03-01 to 9999-12-31; {AS_TEXT}")
    milliseconds = round(days * DAY_MS)
    if abs(days - Fraction(milliseconds, DAY_MS)) > _uncertainty(text):
        raise NotExact(f"holds a time finer than a millisecond ({text} days); {AS_TEXT}")
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    if not (shows_time or milliseconds % DAY_MS):
        return moment.strftime("%Y-%m-%d")
    fraction = f".{milliseconds % 1000:03d}" if milliseconds % 1000 else ""
    return moment.strftime("%Y-%m-%d %H:%M:%S") + fraction


def _decimal(text: str) -> Decimal:
    try:
        with localcontext(prec=400) as context:
            number = context.create_decimal(text.strip()).normalize()
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > 308:
        raise NotExact(f"holds {text[:60]!r}, which is no number; save the workbook again")
    return number


def _uncertainty(text: str) -> Fraction:
    """How far, in days, the written serial may lie from the one that was meant."""
    rounding = Fraction(ulp(float(text))) / 2
    _, digits, exponent = Decimal(text).as_tuple()
    if len(digits) < EXACT_DIGITS or not isinstance(exponent, int):
        return rounding
    # Programs that write 15 or 16 digits cut more off than the double did.
    return rounding + Fraction(10) ** exponent / 2

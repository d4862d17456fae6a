"""Winners and losers as a bar chart: plain SVG 1.1, without any library or font of its own."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from xml.sax.saxutils import escape

HALF, ROW, NAMES = 260, 22, 180  # Points: longest bar, height of a row, room for the names.
WIN, LOSE = "#2b7a4b", "#b5482f"


class Bar(NamedTuple):
    """One customer: the difference, and how it is written."""

    name: str
    change: Decimal
    text: str


def bars(title: str, rows: Sequence[Bar]) -> str:
    """One bar per row from a line in the middle: what is less to the left, what is more right."""
    most = max((abs(one.change) for one in rows), default=Decimal(0)) or Decimal(1)
    width, height = NAMES + 2 * HALF + 240, (len(rows) + 2) * ROW
    middle = NAMES + 120 + HALF
    parts = [_text(10, 16, title, "start")]
    for number, one in enumerate(rows, start=1):
        top = number * ROW + 8
        # exact: the length of a bar in whole points, at least one.
        length = max(1, int(abs(one.change) * HALF / most))
        is_less = one.change < 0
        left, fill = (middle - length, WIN) if is_less else (middle, LOSE)
        at, anchor = (left - 4, "end") if is_less else (middle + length + 4, "start")
        parts += [
            _text(10, top + 12, one.name, "start"),
            f'<rect x="{left}" y="{top}" width="{length}" height="{ROW - 6}" fill="{fill}"/>',
            _text(at, top + 12, one.text, anchor),
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: int, y: int, text: str, anchor: str) -> str:
    # XML knows no control characters, not even escaped.
    shown = "".join(one if one.isprintable() else "?" for one in text)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(shown)}</text>'

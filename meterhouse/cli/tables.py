"""Tables on a terminal or in a pipe; text from data can neither style nor steer the terminal."""

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Pipes have no width; rich would fold at 80 columns.
PIPE_WIDTH = 240


def console() -> Console:
    """A console on stdout without markup, emoji or guessed colours."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def clean(value: Any) -> str:
    """The text of a cell; control characters are written out."""
    # A decimal zero with many places would be written 0E-18.
    plain = format(value, "f") if isinstance(value, Decimal) else value
    text = "" if plain is None else str(plain)
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None
) -> Table:
    """A table; a column whose name ends in `>` is aligned to the right."""
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in columns:
        is_number = name.endswith(">")
        made.add_column(
            name.removesuffix(">"),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(Text(clean(value)) for value in row))
    return made

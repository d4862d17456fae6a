"""A look at issued documents by sample: some are made again at both levels and compared."""

from decimal import ROUND_CEILING, Decimal

from meterhouse.lake import Lake
from meterhouse.run.rebuild import rebuild
from meterhouse.run.verifying import Fault, Look

# The same word draws the same documents, so that a look can be repeated and another one be drawn.
DRAWN = """
select number from facts.documents order by sha256(?::varchar || document_id), number limit ?
"""
TELL_US = (
    "`meterhouse rebuild NUMBER` shows it alone; if the files are whole, this release makes the "
    "document otherwise than the one that issued it: tell the engineers."
)


def draw(lake: Lake, share: Decimal, seed: str) -> list[str]:
    """Numbers of a share (0 to 1) of all issued documents, at least one where there is any."""
    with lake.reading() as db:
        row = db.execute("select count(*) from facts.documents").fetchone()
        count = int((Decimal(row[0] if row else 0) * share).to_integral_value(ROUND_CEILING))
        return sorted(number for (number,) in db.execute(DRAWN, [seed, count]).fetchall())


def look_at_sample(lake: Lake, share: Decimal, seed: str) -> Look:
    """Documents drawn by the seed, made again from determinants and from events."""
    numbers = draw(lake, share, seed)
    found = rebuild(lake, numbers) if numbers else []
    faults = tuple(
        Fault(
            f"{one.number} made again differs at {one.path}: stored {one.stored}, made "
            f"{one.rebuilt} ({one.note}).",
            TELL_US,
        )
        for one in found
        if not one.is_identical
    )
    return Look("sample", f"{len(found):,} documents made again at both levels", faults)

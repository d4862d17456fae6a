"""Which lines are one correction, and which corrections get a credit note of their own.

Where an entity says `decreases`, the lines of one item and period that offset each other stay
together, also a first line that replaces what a correction takes back; where a line of a whole
contract (a discount, a minimum) is among them, all that changed of its boundary is one correction.
One that comes to less than zero is on a credit note of its own if they are `credit_note`.
"""

from collections.abc import Mapping

import polars as pl

from meterhouse.invoicing.by_hand import BY_HAND
from meterhouse.pricing.order import MODIFIERS

_BOUNDARY = ("payer_id", "entity_id", "currency", "terms_id", "contract_id", "due_on")
_ONE = ("payer_id", "entity_id", "currency", "terms_id", "contract_id", "about", "since")


def with_groups(lines: pl.DataFrame, decreases: Mapping[str, str]) -> pl.DataFrame:
    """The lines with `is_moved` (goes where its correction goes) and `is_apart` (on a credit note
    of its own), by what each entity says of decreases."""
    plain = lines.with_columns(is_moved=pl.col("is_correction"), is_apart=pl.lit(value=False))
    own = pl.col("entity_id").is_in(list(decreases)) & ~pl.col("role").is_in(BY_HAND)
    if not decreases or plain.filter(own & pl.col("is_correction")).is_empty():
        return plain
    is_whole = (pl.col("role").is_in(MODIFIERS) & own).any().over(_BOUNDARY)
    marked = plain.with_columns(is_own=own, is_whole=is_whole).with_columns(
        about=pl.when("is_whole").then(pl.lit("")).otherwise("item_id"),
        since=pl.when("is_whole")
        .then("due_on")
        .otherwise(pl.coalesce("period_start_on", "due_on")),
    )
    is_moved = (pl.col("is_correction") & pl.col("is_own")).any().over(_ONE)
    net = pl.when("is_own").then("amount").otherwise(pl.lit(0)).sum().over(_ONE)
    told = marked.with_columns(moves=is_moved, net_of_all=net)
    moves = pl.col("is_own") & pl.col("moves")
    noting = [entity for entity, said in decreases.items() if said == "credit_note"]
    is_noted = pl.col("entity_id").is_in(noting) & (pl.col("net_of_all") < 0)
    return told.with_columns(
        is_moved=pl.col("is_correction") | moves, is_apart=moves & is_noted
    ).select(plain.columns)

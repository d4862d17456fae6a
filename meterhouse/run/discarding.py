"""Drafts taken off the table: not issued while they say the same, and their lines stay unbilled."""

from collections.abc import Sequence

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.errors import Rejected
from meterhouse.lake import Lake
from meterhouse.run import policies
from meterhouse.run.approvals import DISCARDED, REOPENED, append_commands, decisions
from meterhouse.run.approving import resolve
from meterhouse.warehouse import Warehouse


def discard(lake: Lake, draft_ids: Sequence[str], reason: str, *, dry: bool = False) -> list[str]:
    """Keep drafts from being issued as they stand; a draft that changes is a draft again."""
    return _turned(lake, draft_ids, DISCARDED, reason, dry)


def reopen(lake: Lake, draft_ids: Sequence[str], reason: str, *, dry: bool = False) -> list[str]:
    """Take the discarding of drafts back; they need their approvals anew. Returns their ids."""
    return _turned(lake, draft_ids, REOPENED, reason, dry)


def _turned(lake: Lake, draft_ids: Sequence[str], kind: str, reason: str, dry: bool) -> list[str]:
    with lake.run_lock.held(), Warehouse(lake).connect(lake.head()) as db:
        drafts = resolve(db, draft_ids)
        gone = decisions(db, drafts).filter("is_discarded")["draft_id"].to_list()
        issued = db.sql("select document_id, number from facts.documents").pl()
        numbers = dict(
            issued.join(drafts, left_on="document_id", right_on="draft_id", how="semi").iter_rows()
        )
        refused = policies.refused(
            drafts, policies.policies(db), policies.APPROVE, lake.settings.actor
        )
        faults = {draft: f"it was issued as {number}." for draft, number in numbers.items()}
        faults |= _useless(drafts["draft_id"].to_list(), gone, kind) | refused
        if faults:
            told = [f"Draft {d[:8]} stays as it is: {why}" for d, why in sorted(faults.items())]
            raise Rejected("\n".join([*told, "Nothing was changed."]))
        commands = drafts.select(
            kind=pl.lit(kind),
            subject_id="draft_id",
            content_hash="content_hash",
            payload=pl.lit(canonical_json({"reason": reason})),
            sentence=pl.lit(reason),
        ).sort("subject_id")
        if not dry:
            with lake.session() as session:
                lake.commit(session, lambda commit: append_commands(commit, commands))
    return drafts["draft_id"].to_list()


def _useless(drafts: Sequence[str], gone: Sequence[str], kind: str) -> dict[str, str]:
    if kind == DISCARDED:
        return dict.fromkeys(gone, "it is discarded already.")
    return dict.fromkeys(set(drafts) - set(gone), "it is not discarded.")

"""What every correction of events shares: its outcome, and the one commit that records it.

Table `classified` says what becomes of each record, table `held` has the versions that they
replace; both are temporary tables of the session.
"""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from meterhouse.canonical import canonical_json
from meterhouse.lake import Commit, Lake
from meterhouse.run.classified_actions import ACCEPTED
from meterhouse.run.commands import record
from meterhouse.run.correction_effects import Effects, effects
from meterhouse.run.ingest import append_accepted

KINDS = {"amend": "amendment", "void": "void", "replace_day": "replacement"}


@dataclass(frozen=True)
class Corrected:
    """What a correction did, or would do where it is dry, in events; `batch_seq` is None where
    nothing was committed."""

    batch_seq: int | None
    is_dry: bool
    added: int
    amended: int
    voided: int
    unchanged: int
    effects: Effects

    @property
    def changes(self) -> int:
        """Events that are not as they were before."""
        return self.added + self.amended + self.voided

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        found = asdict(self)
        return {**found, **found.pop("effects")}


def finish(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    kind: str,
    name: str,
    reason: str,
    *,
    subject: str | None,
    is_dry: bool,
) -> Corrected:
    """Commit what `classified` says, under the write lock; a dry one and one without a change
    commit nothing. The command names each event, or `subject` where one is given."""
    rows = db.execute("select outcome, count(*) from classified group by outcome").fetchall()
    found = dict(rows)
    changed = found.keys() - {"duplicate"}
    shown = effects(lake, db)
    batch_seq = None
    if changed and not is_dry:
        batch_seq = lake.commit(db, lambda commit: _append(commit, kind, name, reason, subject))
    return Corrected(
        batch_seq,
        is_dry,
        found.get("accepted", 0),
        found.get("restated", 0),
        found.get("voided", 0),
        found.get("duplicate", 0),
        shown,
    )


def _append(commit: Commit, kind: str, name: str, reason: str, subject: str | None) -> int:
    append_accepted(commit)
    commit.append(
        "batches",
        "select source, ? as kind, ? as name, count(*) as received, 0 as released, "
        f"count(*) filter ({ACCEPTED}) as accepted, "
        "count(*) filter (outcome = 'duplicate') as duplicate, 0 as conflict, 0 as quarantined, "
        "0 as refused, ?::timestamptz as received_at from classified group by source",
        [KINDS[kind], name, commit.lake.settings.now()],
    )
    subjects = [(subject, None)] if subject else _subjects(commit)
    return record(commit, kind, subjects, canonical_json({"reason": reason}), reason)


def _subjects(commit: Commit) -> list[tuple[str, str | None]]:
    """Each event that changes and the hash of its new version."""
    return commit.db.execute(
        f"select source || '/' || event_id, row_hash from classified where {ACCEPTED} "
        "order by source_row"
    ).fetchall()

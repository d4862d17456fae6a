"""Approving drafts: by people, or where an entity says so by rules."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical_columns import embedded, object_of, string
from meterhouse.errors import Rejected, UsageError
from meterhouse.invoicing.approval_rules import LIMITS, RULES, judged
from meterhouse.lake import Commit, Lake
from meterhouse.run import policies
from meterhouse.run.approvals import APPROVED, append_commands, decisions, discarded
from meterhouse.run.edits import changed_since
from meterhouse.run.gate import blocked_drafts, fired_on
from meterhouse.run.manual import changed_by_hand
from meterhouse.warehouse import Warehouse

BY_RULES, ISSUED = "approve_by_rules", "issue"
EARLIER = """
select entity_id, customer_id, currency, kind, total,
    row_number() over (
        partition by entity_id, customer_id, currency, kind order by batch_seq desc, row_no desc
    ) as age
from facts.documents
where document_id not in (select document_id from facts.voids)
    and list_contains(?, entity_id) and list_contains(?, customer_id)
qualify age <= ?
"""


class Kept(NamedTuple):
    """Drafts that are not issued: id to state and sentence; and those that rules took."""

    back: dict[str, tuple[str, str]]
    taken: list[str]


def approve(lake: Lake, draft_ids: Sequence[str], reason: str | None = None) -> list[str]:
    """Approve drafts as they stand now: records content and hash of each. Returns their ids."""
    warehouse = Warehouse(lake)
    with lake.run_lock.held(), warehouse.connect(lake.head()) as db:
        drafts = resolve(db, draft_ids)
        faults = _faults(db, drafts, lake.settings.actor)
        if faults:
            raise Rejected("\n".join([*_told(faults), "Nothing was approved."]))
        with lake.session() as session:
            lake.commit(session, lambda commit: _record(commit, drafts, reason))
    return drafts["draft_id"].to_list()


def approve_shown(
    lake: Lake, shown: Mapping[str, str], reason: str | None = None
) -> tuple[list[str], dict[str, str]]:
    """Approve many drafts as they were shown: id to content hash. Returns the ids of those that
    were approved, and of the others the sentence why not; raises Rejected where all are others."""
    with lake.run_lock.held(), Warehouse(lake).connect(lake.head()) as db:
        asked = pl.DataFrame(
            list(shown.items()), schema={"draft_id": pl.String, "shown": pl.String}, orient="row"
        )
        drafts = db.sql("from billing.drafts").pl().join(asked, on="draft_id")
        moved = drafts.filter(pl.col("content_hash") != pl.col("shown"))["draft_id"]
        gone = set(shown) - set(drafts["draft_id"])
        changed = "It changed while it was looked at; look again."
        left = {**dict.fromkeys(moved, changed), **_faults(db, drafts, lake.settings.actor)}
        left |= dict.fromkeys(gone, "It is gone; a run made the drafts again.")
        ready = drafts.filter(~pl.col("draft_id").is_in(list(left)))
        if left and ready.is_empty():
            raise Rejected("\n".join([*_told(left), "Nothing was approved."]))
        if not ready.is_empty():
            with lake.session() as session:
                lake.commit(session, lambda commit: _record(commit, ready, reason))
    return ready["draft_id"].to_list(), left


def resolve(db: duckdb.DuckDBPyConnection, draft_ids: Sequence[str]) -> pl.DataFrame:
    """The drafts named by id or by an unambiguous beginning of one (8 digits or more)."""
    drafts = db.sql("from billing.drafts").pl()
    known = set(drafts["draft_id"].to_list())
    chosen, faults = known.intersection(draft_ids), []
    # Whole ids, of which there may be a hundred thousand, are looked up; beginnings are searched.
    for given in sorted(set(draft_ids) - known):
        found = [one for one in known if len(given) >= 8 and one.startswith(given)]
        if len(found) == 1:
            chosen.add(found[0])
        else:
            word = "no draft" if not found else f"{len(found)} drafts"
            faults.append(f"{given!r} names {word} of the last run.")
    if faults:
        raise UsageError(
            "\n".join(
                [*faults, "Nothing was changed. `meterhouse invoices list` shows the drafts."]
            )
        )
    return drafts.filter(pl.col("draft_id").is_in(list(chosen)))


def kept_back(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, run_id: str, through: date
) -> Kept:
    """Every draft that no run would issue now, with its state and why.

    State blocked: a check failed or a decision is missing. waiting: somebody has to approve it.
    grace: late usage may change it. discarded: a person took it off the table.
    """
    said = policies.policies(db)
    found = decisions(db, drafts)
    waiting, taken = _unapproved(db, drafts, said, found, run_id)
    undecided = drafts.filter("is_blocked").select("draft_id", "blocked_reason").iter_rows()
    reasons = {
        "grace": policies.in_grace(db, drafts, said, through),
        # Approved or not: what stands here is not what people want any more.
        "waiting": {**waiting, **changed_since(db, drafts)},
        "discarded": discarded(found),
        "blocked": {
            **policies.not_live(db, drafts, said),
            **dict(undecided),
            **blocked_drafts(db, drafts, run_id),
        },
    }
    # Of several states the last one stands, with its sentence.
    back = {draft: (state, why) for state, all in reasons.items() for draft, why in all.items()}
    return Kept(back, sorted(set(taken) - back.keys()))


def commands_of_issue(
    documents: pl.DataFrame, taken: pl.DataFrame, run_id: str, said: pl.DataFrame
) -> pl.DataFrame:
    """Who issued, as one command on the run, and what rules approved, one for each document."""
    rules = dict(said.select("entity_id", "auto_approve").iter_rows())
    payload = pl.col("entity_id").replace_strict(rules, return_dtype=pl.String)
    ruled = taken.select(
        kind=pl.lit(BY_RULES),
        subject_id="draft_id",
        content_hash="content_hash",
        payload=object_of({"rules": embedded(payload)}),
        sentence=pl.lit("Taken by rules."),
    )
    told = json.dumps({"documents": documents.height})
    issue = {"kind": ISSUED, "subject_id": run_id, "content_hash": None, "payload": told}
    head = pl.DataFrame([{**issue, "sentence": "Issued."}], schema=ruled.schema)
    return pl.concat([head, ruled.sort("subject_id")])


def _unapproved(
    db: duckdb.DuckDBPyConnection,
    drafts: pl.DataFrame,
    said: pl.DataFrame,
    found: pl.DataFrame,
    run_id: str,
) -> tuple[dict[str, str], list[str]]:
    """Drafts that lack an approval with the sentence of what they wait for, and those of which
    rules take all that people would have to approve."""
    asked = said.select("entity_id", "approval", "approvals", "auto_approve")
    waiting = (
        drafts.join(asked, on="entity_id", how="left")
        .join(found, on="draft_id", how="left")
        .with_columns(
            pl.col("approval").fill_null("manual"),
            given=pl.col("people").list.len().fill_null(0).cast(pl.Int64),
            names=pl.col("people").list.join(", "),
            asked=pl.col("approvals").fill_null(1),
        )
        .filter(pl.col("approval") != "automatic", pl.col("given") < pl.col("asked"))
    )
    verdicts = _judged(db, waiting.filter(pl.col("approval") == "rules"), said, run_id)
    told = waiting.join(verdicts, on="draft_id", how="left").with_columns(sentence=_sentence())
    is_taken = (pl.col("why") == "").fill_null(False)
    stays = told.filter(~is_taken).select("draft_id", "sentence")
    return dict(stays.iter_rows()), told.filter(is_taken)["draft_id"].to_list()


def _sentence() -> pl.Expr:
    missing = pl.col("asked") - pl.col("given")
    people = pl.when(missing == 1).then(pl.lit("person")).otherwise(pl.lit("people"))
    what = (
        pl.when(pl.col("given") > 0)
        .then(pl.format("It waits for {} more {}; {} approved it.", missing, people, "names"))
        .when(pl.col("was_approved").fill_null(False))
        .then(pl.lit("It has changed since it was approved; approve it again."))
        .when(pl.col("asked") > 1)
        .then(pl.format("It waits for the approval of {} people.", "asked"))
        .otherwise(pl.lit("It waits for approval."))
    )
    return pl.concat_str([what, "why"], separator=" ", ignore_nulls=True)


def _judged(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, said: pl.DataFrame, run_id: str
) -> pl.DataFrame:
    """draft_id and why the rules of its entity do not take it; empty where they do."""
    if drafts.is_empty():
        return pl.DataFrame(schema={"draft_id": pl.String, "why": pl.String})
    rules, limits = _rules(said)
    longest = rules["history"].max()
    payers = drafts["customer_id"].unique().to_list()
    entities = rules["entity_id"].to_list()
    earlier = db.execute(EARLIER, [entities, payers, longest]).pl()
    manual = changed_by_hand(db, drafts)
    heads = drafts.select("draft_id", "entity_id", "customer_id", "currency", "kind", "total")
    return judged(heads, rules, limits, earlier, manual, fired_on(db, drafts, run_id))


def _rules(said: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rules of the few entities that have any, as RULES and LIMITS."""
    texts = said.filter(pl.col("approval") == "rules").select("entity_id", "auto_approve")
    rules: list[tuple[Any, ...]] = []
    limits: list[tuple[Any, ...]] = []
    for entity, text in texts.iter_rows():
        rule = json.loads(text)
        most = rule.get("max_total") or {}
        deviation = Decimal(rule["max_deviation"])
        rules.append((entity, deviation, int(rule["history"]), bool(most)))
        limits += [(entity, currency, Decimal(amount)) for currency, amount in most.items()]
    return (
        pl.DataFrame(rules, schema=RULES, orient="row"),
        pl.DataFrame(limits, schema=LIMITS, orient="row"),
    )


def _faults(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, actor: str) -> dict[str, str]:
    """Draft to every reason why this person cannot approve it."""
    said = policies.policies(db)
    found = decisions(db, drafts)
    blocked = dict(drafts.filter("is_blocked").select("draft_id", "blocked_reason").iter_rows())
    several = drafts.join(said.filter(pl.col("approvals") > 1), on="entity_id", how="semi")
    own = changed_by_hand(db, several).filter(pl.col("actor") == actor)["draft_id"]
    twice = several.join(
        found.filter(pl.col("people").list.contains(actor)), on="draft_id", how="semi"
    )["draft_id"]
    another = "another person has to approve it."
    reasons = [
        blocked,
        discarded(found),
        policies.refused(drafts, said, policies.APPROVE, actor),
        dict.fromkeys(own, f"{actor} changed it by hand; {another}"),
        dict.fromkeys(twice, f"{actor} approved it already; {another}"),
    ]
    pairs = [pair for one in reasons for pair in one.items()]
    frame = pl.DataFrame(pairs, schema={"d": pl.String, "why": pl.String}, orient="row")
    together = frame.group_by("d", maintain_order=True).agg(pl.col("why").str.join(" "))
    return dict(together.iter_rows())


def _told(faults: Mapping[str, str]) -> list[str]:
    return [f"Draft {draft[:8]} cannot be approved: {why}" for draft, why in sorted(faults.items())]


def _record(commit: Commit, drafts: pl.DataFrame, reason: str | None) -> None:
    """Content and hash go on record, so that a later change can be shown."""
    payload = object_of(
        {"content": embedded(pl.col("content")), "reason": string(pl.lit(reason, pl.String))}
    )
    commands = drafts.select(
        kind=pl.lit(APPROVED),
        subject_id="draft_id",
        content_hash="content_hash",
        payload=payload,
        sentence=pl.lit("Approved."),
    )
    append_commands(commit, commands.sort("subject_id"))

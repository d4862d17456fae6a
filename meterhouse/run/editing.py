"""Edit drafts: what is asked becomes commands on line keys, which every later run applies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, sha256_text, short_hash
from meterhouse.errors import Rejected, UsageError
from meterhouse.invoicing.by_hand import ADJUSTMENT
from meterhouse.invoicing.edits import EDITS, MONEY, edited
from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.lake import Commit, Lake
from meterhouse.money import PLACES
from meterhouse.pricing.modifiers.grants import VOUCHER, VOUCHER_SALE
from meterhouse.run import edits
from meterhouse.run.approvals import append_commands
from meterhouse.run.approving import resolve
from meterhouse.run.edits import COMMAND, WITHDRAWN
from meterhouse.warehouse import Warehouse

OF_LINES = (*MONEY, "description")
# Prices of which a line's amount is in proportion to its quantity.
LINEAR = ("per_unit", "flat", "one_off")
LINES = "from billing.draft_lines where draft_id = ? order by line_no"
STATE = f"select * from ({edits.STATES}) where starts_with(edit_id, ?)"


@dataclass(frozen=True)
class Ask:
    """One change: `op` as in invoicing/edits.py, the line by number or key, value and text."""

    op: str
    value: str | None = None
    line: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Edited:
    """`edits`: their ids (empty in a dry run); net of the draft before and after; its lines then:
    description and amount."""

    draft_id: str
    currency: str
    edits: tuple[str, ...]
    net: Decimal
    net_after: Decimal
    lines: tuple[dict[str, Any], ...]


def edit(
    lake: Lake,
    draft: str,
    asked: Sequence[Ask],
    reason: str,
    *,
    dry: bool = False,
    replaces: str | None = None,
) -> Edited:
    """Record the changes of a draft in one commit; raises Rejected with every fault.

    `replaces` is an edit that is withdrawn with it: it was moved to another line.
    """  # fmt: skip
    with lake.run_lock.held(), Warehouse(lake).connect(lake.head()) as db:
        head = _draft(db, draft)
        lines = db.execute(LINES, [head["draft_id"]]).pl()
        old = None if replaces is None else _open(db, replaces)
        asks = asked if old is None else [_moved(old, one) for one in asked]
        faults = [fault for one in asks for fault in _faults(head, lines, one)]
        if faults:
            raise Rejected("\n".join([*faults, "Nothing was changed."]))
        now = lake.settings.now().isoformat()
        told = [_told(head, lines, one, reason, [now, no]) for no, one in enumerate(asks)]
        after = _after(db, head, lines, told, old)
        net = after.select(pl.col("amount").sum()).item()
        if net < 0:
            raise Rejected(
                "The draft would come to less than zero; an invoice is taken back by a credit "
                "note. Nothing was changed."
            )
        rows = [(COMMAND, _target(one), canonical_json(one), "Recorded.") for one in told]
        if old is not None:
            rows.append((WITHDRAWN, old["edit_id"], _why(old, reason), reason))
        ids = () if dry else _append(lake, rows)
    shown = after.select("item_description", "amount", "role").to_dicts()
    return Edited(head["draft_id"], head["currency"], ids, head["net"], net, tuple(shown))


def withdraw(lake: Lake, name: str, reason: str) -> str:
    """Take an edit back that is not issued, by the beginning of its id; returns the id."""
    with lake.run_lock.held(), Warehouse(lake).connect(lake.head()) as db:
        old = _open(db, name)
        _append(lake, [(WITHDRAWN, old["edit_id"], _why(old, reason), reason)])
    return str(old["edit_id"])


def _draft(db: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    head: dict[str, Any] = resolve(db, [name]).row(0, named=True)
    issued = db.execute(
        "select number from facts.documents where document_id = ?", [head["draft_id"]]
    ).fetchone()
    if issued is not None:
        raise Rejected(
            f"Draft {name} is issued as {issued[0]}; `meterhouse invoices credit` or `void` "
            "corrects it. Nothing was changed."
        )
    return head


def _open(db: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    rows = db.execute(STATE, [name if len(name) >= 8 else f"{name}\0"]).pl().to_dicts()
    if len(rows) != 1:
        raise UsageError(
            f"{name!r} names {len(rows) or 'no'} edits; give at least 8 digits of one. "
            "`meterhouse invoices edits` shows them. Nothing was changed."
        )
    (found,) = rows
    if found["is_issued"] or found["is_withdrawn"]:
        what = "issued" if found["is_issued"] else "withdrawn already"
        raise Rejected(f"Edit {found['edit_id'][:8]} is {what}. Nothing was changed.")
    return {**found, "told": _json(found["told"])}


def _json(text: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(text)
    return read


def _moved(old: Mapping[str, Any], asked: Ask) -> Ask:
    """The old edit on another line."""
    told = old["told"]
    return Ask(told["op"], told["value"], asked.line, told["text"])


def _faults(head: Mapping[str, Any], lines: pl.DataFrame, one: Ask) -> list[str]:
    if one.op in OF_LINES:
        line = _line(lines, one.line)
        if line is None:
            return [f"The draft has no line {one.line}; it has 1 to {lines.height}."]
        return [f"Line {line['line_no']}: {why}" for why in _faults_of(line, one)]
    if one.op == "add":
        wrong = _money_faults(one.value, head["currency"])
        return wrong if one.text else [*wrong, "A line that is added needs --description."]
    if one.op == "due_on" and date.fromisoformat(one.value or "") < head["invoice_date"]:
        return [f"The due date {one.value} is before the invoice's, {head['invoice_date']}."]
    return []


def _faults_of(line: Mapping[str, Any], one: Ask) -> list[str]:
    if line["role"] == ADJUSTMENT:
        return ["it is an edit itself; withdraw it, or edit the line it is about."]
    if one.op in MONEY:
        if line["role"] in (CREDIT_SALE, VOUCHER_SALE):
            return ["it sells credit, and what was bought is what the contract says; change that."]
        if line["role"] == VOUCHER:
            return ["money that was bought pays it, as much as there is; edit what it pays for."]
    if one.op in ("amount", "discount"):
        return _money_faults(one.value, line["currency"])
    if one.op == "percent":
        share = _number(one.value)
        is_share = share is not None and 0 < share <= 1
        return [] if is_share else ["a discount in per cent is above 0 and at most 100."]
    if one.op == "quantity":
        return _quantity_faults(line, _number(one.value))
    return []


def _quantity_faults(line: Mapping[str, Any], quantity: Decimal | None) -> list[str]:
    if quantity is None or quantity < 0:
        return ["a quantity is a number that is not below 0."]
    if line["is_correction"] or line["price_model"] not in LINEAR or not line["quantity"]:
        return ["its amount is not in proportion to its quantity; give --amount."]
    return []


def _money_faults(text: str | None, currency: str) -> list[str]:
    amount = _number(text)
    if amount is None or abs(amount) >= Decimal(10) ** 15:
        return [f"{text!r} is not an amount such as 20.00."]
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES[currency]:
        return [f"{text} has more decimals than {currency}."]
    return []


def _number(text: str | None) -> Decimal | None:
    try:
        found = Decimal(text or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _line(lines: pl.DataFrame, name: str | None) -> dict[str, Any] | None:
    """The line of a number, or of the beginning of a key."""
    named = pl.col("line_key").str.starts_with(name or "\0")
    if name is not None and name.isdecimal() and len(name) < 8:
        named = pl.col("line_no") == int(name)
    found = lines.filter(named)
    return found.row(0, named=True) if found.height == 1 else None


def _told(
    head: Mapping[str, Any], lines: pl.DataFrame, one: Ask, reason: str, mark: list[Any]
) -> dict[str, Any]:
    """What the command says; a line that is added is of the days of the whole draft."""
    line = _line(lines, one.line) if one.op in OF_LINES else None
    told: dict[str, Any] = {
        "draft_id": head["draft_id"],
        "line_key": None if line is None else line["line_key"],
        "op": one.op,
        "reason": reason,
        "text": one.text,
        "value": one.value,
        "what": None if line is None else line["item_description"],
    }
    if one.op == "add":
        told |= _document_of(head, lines)
    makes_line = one.op in MONEY or one.op == "add"
    told["key"] = short_hash([ADJUSTMENT, told, mark]) if makes_line else None
    return told


def _document_of(head: Mapping[str, Any], lines: pl.DataFrame) -> dict[str, Any]:
    first = lines.sort("window_start_on", "line_no").row(0, named=True)
    last = lines.sort("window_end_on", "line_no").row(-1, named=True)
    names = ("contract_id", "customer_id", "zone", "payer_id", "entity_id", "currency", "terms_id")
    return {
        **{name: first[name] for name in names},
        "for_contract": head["contract_id"],
        "boundary_on": first["boundary_on"].isoformat(),
        "from_on": first["window_start_on"].isoformat(),
        "until_on": last["window_end_on"].isoformat(),
        "starts_at": first["window_start"] and first["window_start"].isoformat(),
        "ends_at": last["window_end"] and last["window_end"].isoformat(),
    }


def _target(told: Mapping[str, Any]) -> str:
    return str(told["line_key"] or told["draft_id"])


def _after(
    db: duckdb.DuckDBPyConnection,
    head: Mapping[str, Any],
    lines: pl.DataFrame,
    told: Sequence[Mapping[str, Any]],
    old: Mapping[str, Any] | None,
) -> pl.DataFrame:
    """The lines of the draft with what stands and what is asked now."""
    columns = [name for name in EDITS if name != "edit_id"]
    rows = [{"edit_id": "new", **{name: one.get(name) for name in columns}} for one in told]
    texts = dict.fromkeys(EDITS, pl.String)
    new = pl.DataFrame(rows, schema=texts).select(
        pl.col(name).str.to_date("%Y-%m-%d") if kind == pl.Date
        else pl.col(name).str.to_datetime(time_zone="UTC", time_unit="us")
        if isinstance(kind, pl.Datetime) else pl.col(name)
        for name, kind in EDITS.items()
    )  # fmt: skip
    gone = "" if old is None else old["edit_id"]
    family = pl.when(pl.col("op").is_in(MONEY)).then(pl.lit("money")).otherwise("op")
    stands = edits.standing(db).filter(pl.col("edit_id") != gone).with_columns(_family=family)
    replaced = new.filter(pl.col("op") != "add").with_columns(_family=family)
    kept = stands.join(replaced, on=["line_key", "_family"], how="anti").drop("_family")
    base = lines.filter(pl.col("role") != ADJUSTMENT).with_columns(
        for_contract=pl.lit(head["contract_id"], pl.String)
    )
    return edited(base, pl.concat([kept, new]))


def _why(old: Mapping[str, Any], reason: str) -> str:
    return canonical_json({"draft_id": old["told"]["draft_id"], "reason": reason})


def _append(lake: Lake, rows: Sequence[tuple[str, str, str, str]]) -> tuple[str, ...]:
    """Record commands (kind, subject, payload, sentence) in one commit; ids of the edits."""
    names = ("kind", "subject_id", "payload", "sentence")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_columns(
        content_hash=pl.Series([sha256_text(row[2]) for row in rows], dtype=pl.String)
    )

    def write(commit: Commit) -> tuple[str, ...]:
        append_commands(commit, frame)
        given = commit.db.execute(
            "select command_id from lake.facts.commands where batch_seq = ? and kind = ? "
            "order by row_no",
            [commit.batch_seq, COMMAND],
        )
        return tuple(row[0] for row in given.fetchall())

    with lake.session() as session:
        return lake.commit(session, write)

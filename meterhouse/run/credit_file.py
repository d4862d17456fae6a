"""Credit notes of a file: one for each invoice that it names, all looked at before any is issued.

A file is known by its bytes: what it asked for is never credited twice, so a file that was cut off
goes on where it stopped.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from meterhouse.errors import MeterhouseError, Rejected, UsageError
from meterhouse.lake import Lake
from meterhouse.run.crediting import Credited, Request, credit

COLUMNS = ("number", "line", "amount", "reason", "to", "on")
WAYS = ("invoice", "balance", "refund")
DONE = """
select json_extract_string(payload, '$.number') from lake.facts.commands
where kind = 'credit' and json_extract_string(payload, '$.file') = ?
"""


@dataclass(frozen=True)
class Plan:
    """The notes that a file still asks for, and how many of it stand already."""

    requests: tuple[Request, ...]
    notes: tuple[Credited, ...]
    known: int


def planned(lake: Lake, file: Path) -> Plan:
    """What a file comes to. Raises Rejected with all its faults: nothing of it is issued then.

    Columns: number; line and net amount, an amount alone over all lines, or neither for all that is
    left; reason; to (invoice, balance, refund; by default the invoice); on (by default today).
    """
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with lake.reading() as db:
        known = {row[0] for row in db.execute(DONE, [digest]).fetchall()}
    requests, faults = _requests(file, digest)
    notes = []
    for one in (request for request in requests if request.number not in known):
        try:
            notes.append(credit(lake, one, dry=True))
        except MeterhouseError as error:
            faults.append(str(error))
    if faults:
        raise Rejected("\n".join([*faults, f"Nothing of {file.name} was credited."]))
    left = tuple(one for one in requests if one.number not in known)
    return Plan(left, tuple(notes), len(requests) - len(left))


def credit_all(lake: Lake, plan: Plan) -> tuple[Credited, ...]:
    """Issue the notes, each in a commit of its own; what stands before a fault stays."""
    return tuple(credit(lake, one) for one in plan.requests)


def _requests(file: Path, digest: str) -> tuple[list[Request], list[str]]:
    """One request per invoice in the order of the file, and the faults of its rows."""
    found: dict[str, Request] = {}
    faults: list[str] = []
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        unknown = sorted(set(reader.fieldnames or ()) - set(COLUMNS))
        if unknown or not {"number", "reason"} <= set(reader.fieldnames or ()):
            raise UsageError(
                f"{file.name} needs the columns number and reason, and may have line, amount, to "
                f"and on; it has {', '.join(reader.fieldnames or ()) or 'none'}. Nothing was done."
            )
        for place, row in enumerate(reader, 2):
            said = {name: (row.get(name) or "").strip() for name in COLUMNS}
            wrong = list(_faults(said, found.get(said["number"])))
            faults += [f"{file.name}, row {place}: {fault}" for fault in wrong]
            if not wrong:
                before = found.get(said["number"])
                found[said["number"]] = _with(before, said, digest)
    return list(found.values()), faults


def _faults(said: dict[str, str], before: Request | None) -> Iterator[str]:
    """What is wrong with a row, by itself and beside the rows before it."""
    wrong = (
        (not said["number"] or not said["reason"], "number and reason must be given."),
        (
            said["line"] and not said["line"].isdecimal(),
            f"{said['line']!r} is not a line's number.",
        ),
        (said["line"] and not said["amount"], f"line {said['line']} has no amount."),
        (
            said["amount"] and _amount(said["amount"]) is None,
            f"{said['amount']!r} is not an amount such as 20.00.",
        ),
        (
            said["to"] and said["to"] not in WAYS,
            f"`to` is {said['to']!r}; it may be {', '.join(WAYS)}.",
        ),
        (
            said["on"] and _day(said["on"]) is None,
            f"{said['on']!r} is not a date such as 2024-03-01.",
        ),
    )
    yield from (sentence for is_wrong, sentence in wrong if is_wrong)
    if before is not None:
        yield from _beside(said, before)


def _beside(said: dict[str, str], before: Request) -> Iterator[str]:
    """What keeps a row from being one note with the rows before it."""
    if before.lines is None or not said["line"]:
        yield f"{said['number']} stands twice, and not by line."
    elif said["line"].isdecimal() and int(said["line"]) in before.lines:
        yield f"line {said['line']} of {said['number']} stands twice."
    own = (said["reason"], said["to"] or "invoice", _day(said["on"]))
    if (before.reason, before.to, before.on) != own:
        yield f"{said['number']} has another reason, `to` or `on` in a row before."


def _with(before: Request | None, said: dict[str, str], digest: str) -> Request:
    amount = _amount(said["amount"])
    line = {int(said["line"]): amount or Decimal(0)} if said["line"] else None
    if before is not None:
        return replace(before, lines={**(before.lines or {}), **(line or {})})
    return Request(
        said["number"], said["reason"], line, None if line else amount, _day(said["on"]),
        to=said["to"] or "invoice", file=digest,  # type: ignore[arg-type]
    )  # fmt: skip


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None

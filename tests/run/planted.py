"""One fault for every check: facts to plant, records to land or SQL that spoils a derived table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tests.truth.events import Event, request

NOVEMBER = "2025-11-12T12:00:00Z"
# Contracts with a draft on 1 December, and the entity that sells.
SELLERS = {
    "alpha-main": "us",
    "berlin-main": "us",
    "gurung-main": "kw",
    "sato-main": "jp",
    "strict-main": "us",
    "twin-disk": "kw",
    "twin-tokens": "us",
}
EVERYTHING = set(SELLERS)


def sold_by(entity):
    """The contracts of an entity."""
    return {contract for contract, seller in SELLERS.items() if seller == entity}


class Fault(NamedTuple):
    """`held` are the contracts whose draft must stay; everything else must be issued."""

    check: str
    scope: tuple[str, str | None]
    held: set[str]
    facts: Mapping[str, list[dict]] = MappingProxyType({})
    events: tuple[Event, ...] = ()
    spoil: str | None = None


def batch(**counts):
    """A batch with counts of zero where none is given."""
    names = ("received", "released", "accepted", "duplicate", "conflict", "quarantined", "refused")
    zeros = dict.fromkeys(names, "0")
    return {"source": "api", "kind": "file", "name": "planted", **zeros, **counts}


def document(number, series, net="0", tax="0", total="0"):
    """A document of the Japanese entity, of 1 November."""
    return {
        "document_id": f"planted-{number}",
        "number": number,
        "kind": "invoice",
        "series": series,
        "entity_id": "jp",
        "customer_id": "sato",
        "contract_id": "sato-main",
        "currency": "JPY",
        "invoice_date": "2025-10-30",
        "through": "2025-11-01",
        "net": net,
        "tax": tax,
        "total": total,
    }


def entry(entity, id):
    """The head of a planted entry."""
    return {"entry_id": id, "entity_id": entity, "event": "planted", "posting_date": "2025-10-30"}


def leg(id, account, debit, credit, base=None):
    """One line of a planted entry, in transaction and base currency."""
    debit_base, credit_base = base or (debit, credit)
    sides = {"debit": debit, "credit": credit}
    sides |= {"debit_base": debit_base, "credit_base": credit_base}
    return {"entry_id": id, "account": account, **sides}


def lot(entity, customer):
    """A lot of a customer's balance without an entry."""
    return {
        "move_id": "planted",
        "kind": "lot",
        "lot_id": "planted",
        "entity_id": entity,
        "customer_id": customer,
        "currency": "USD",
        "amount": "1",
        "moved_on": "2025-10-30",
        "source": "deposit",
    }


def quarantined(status, **other):
    """A step of a quarantined event."""
    return {"source": "api", "event_id": "planted", "status": status, **other}


ORIGINAL = {"original_seq": "900", "original_row": "1"}
SERIES = "jp|invoice|2025"
RUN = ("run", "run")

FAULTS = {
    "a batch that lost a record": Fault(
        "batches_add_up", RUN, EVERYTHING, {"batches": [batch(received="2", duplicate="1")]}
    ),
    "two batches whose faults would cancel": Fault(
        "batches_add_up",
        RUN,
        EVERYTHING,
        {"batches": [batch(received="1"), batch(duplicate="1")]},
    ),
    "an accepted event that the lake does not hold": Fault(
        "accepted_events_are_stored",
        RUN,
        EVERYTHING,
        {"batches": [batch(received="1", accepted="1")]},
    ),
    "a quarantined event that no batch counts": Fault(
        "quarantine_adds_up", RUN, EVERYTHING, {"rejected_events": [quarantined("quarantined")]}
    ),
    "a quarantined event that was released twice": Fault(
        "quarantine_adds_up",
        RUN,
        EVERYTHING,
        {
            "rejected_events": [
                quarantined("quarantined"),
                quarantined("released", **ORIGINAL),
                quarantined("released", **ORIGINAL),
            ],
            "batches": [
                batch(received="1", quarantined="1"),
                batch(kind="release", released="2", duplicate="2"),
            ],
        },
    ),
    "an event without a fate": Fault(
        "every_event_has_a_fate",
        ("customer", "sato"),
        {"sato-main"},
        spoil="delete from usage.fates where customer_id = 'sato'",
    ),
    "a day with more than its events": Fault(
        "usage_is_conserved",
        ("customer", "berlin"),
        {"berlin-main"},
        spoil="update usage.daily set quantity = quantity + 1 where customer_id = 'berlin'",
    ),
    "two meters whose faults cancel": Fault(
        "usage_is_conserved",
        ("customer", "alpha"),
        {"alpha-main"},
        spoil="""
        update usage.daily set quantity = quantity + case meter_id when 'tokens' then 1 else -1 end
        where customer_id = 'alpha' and meter_id in ('tokens', 'requests')
            and local_day = (
                select max(local_day) from usage.daily
                where customer_id = 'alpha' and meter_id = 'tokens'
            )
        """,
    ),
    "a window that lost a day": Fault(
        "determinants_hold_all_days",
        ("contract", "strict-main"),
        {"strict-main"},
        spoil="update usage.determinants set quantity = quantity - 1 "
        "where contract_id = 'strict-main' and window_start_on = '2025-11-01'",
    ),
    "two versions of an event": Fault(
        "conflicts_are_resolved",
        ("window", None),
        {"alpha-main"},
        events=(
            request("c-1", "alpha", NOVEMBER, 1),
            request("c-1", "alpha", NOVEMBER, 2),
        ),
    ),
    "a day of which a source states more": Fault(
        "sources_are_complete",
        ("meter", "storage"),
        {"gurung-main", "twin-disk"},
        {
            "source_statements": [
                {"source": "rows", "event_day": "2025-11-12", "events": "1000"},
            ]
        },
    ),
    "a window below zero": Fault(
        "quantities_are_not_negative",
        ("window", None),
        {"twin-tokens"},
        events=(request("c-2", "twin", NOVEMBER, -(10**9)),),
    ),
    "usage without a contract where the account forbids it": Fault(
        "usage_has_a_contract",
        ("customer", "strict"),
        {"strict-main"},
        events=(request("c-3", "strict", "2025-09-12T12:00:00Z", 1),),
    ),
    "a draft line that nobody wants": Fault(
        "drafts_are_the_difference",
        ("contract", "sato-main"),
        {"sato-main"},
        spoil="update billing.draft_lines set amount = amount + 1 where contract_id = 'sato-main'",
    ),
    "two draft lines whose faults cancel": Fault(
        "drafts_are_the_difference",
        ("contract", "alpha-main"),
        {"alpha-main"},
        spoil="update billing.draft_lines set amount = amount "
        "+ case item_id when 'seat' then 1 when 'tokens' then -1 else 0 end "
        "where contract_id = 'alpha-main'",
    ),
    "a line that the second rater rates otherwise": Fault(
        "second_rater_agrees",
        ("customer", "sato"),
        {"sato-main"},
        spoil="update billing.desired_lines set amount = 1 + amount where customer_id = 'sato'",
    ),
    "a draft whose total is not its lines and tax": Fault(
        "drafts_add_up",
        ("customer", "alpha"),
        {"alpha-main"},
        spoil="update billing.drafts set total = total + 1 where customer_id = 'alpha'",
    ),
    "two drafts of a payer whose faults cancel": Fault(
        "drafts_add_up",
        ("customer", "gurung"),
        {"gurung-main", "twin-disk"},
        spoil="update billing.drafts set net = net + 1 - 2 * (contract_id = 'twin-disk')::int, "
        "total = total + 1 - 2 * (contract_id = 'twin-disk')::int where customer_id = 'gurung'",
    ),
    "an issued document without its lines": Fault(
        "documents_add_up",
        ("entity", "jp"),
        sold_by("jp"),
        {"documents": [document("JP2025-0003", SERIES, net="5", total="5")]},
    ),
    "a tax on record that its document does not have": Fault(
        "taxes_add_up",
        ("entity", "jp"),
        sold_by("jp"),
        {
            "documents": [document("JP2025-0003", SERIES)],
            "document_taxes": [{"document_id": "planted-JP2025-0003", "tax_no": "1", "tax": "1"}],
        },
    ),
    "an entry with one side": Fault(
        "entries_balance",
        ("entity", "kw"),
        sold_by("kw"),
        {"journal_entries": [entry("kw", "p-1")], "journal_lines": [leg("p-1", "revenue", 0, 1)]},
    ),
    "an entry that balances in one currency only": Fault(
        "entries_balance",
        ("entity", "us"),
        sold_by("us"),
        {
            "journal_entries": [entry("us", "p-2")],
            "journal_lines": [
                leg("p-2", "revenue", "0", "1"),
                leg("p-2", "deferred_revenue", "1", "0", ("2", "0")),
            ],
        },
    ),
    "a receivable without a document": Fault(
        "receivables_equal_documents",
        ("entity", "us"),
        sold_by("us"),
        {
            "journal_entries": [entry("us", "p-3")],
            "journal_lines": [
                leg("p-3", "accounts_receivable", "1", "0"),
                leg("p-3", "revenue", "0", "1"),
            ],
        },
    ),
    "a balance that the books do not owe": Fault(
        "balances_equal_the_ledger",
        ("entity", "us"),
        sold_by("us"),
        {"balance_moves": [lot("us", "alpha")]},
    ),
    "a number that is missing": Fault(
        "numbers_are_gapless",
        ("entity", "jp"),
        sold_by("jp"),
        {"documents": [document("JP2025-0009", SERIES)]},
    ),
    "a number that was given twice": Fault(
        "numbers_are_gapless",
        ("entity", "jp"),
        sold_by("jp"),
        {"documents": [document("JP2025-0001", SERIES)]},
    ),
}
# These are met by tests of their own: one leaves no draft to hold, the others only warn.
ELSEWHERE = {
    *("contracts_are_rated", "quarantine_is_empty"),
    # tests/run/test_measured_check.py
    *("measured_windows_hold_their_events", "dimensions_are_bounded"),
    # tests/run/test_watching.py
    *("sources_are_on_time", "usage_does_not_drop_to_zero", "usage_does_not_spike"),
    "watch_names_what_there_is",
    # tests/run/test_edits.py
    "by_hand_is_billed_as_asked",
}

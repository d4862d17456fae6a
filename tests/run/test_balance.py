"""Balances: money of notes and deposits pays the next invoices, and nothing of it gets lost."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.errors import Rejected, UsageError
from meterhouse.run.balance_commands import Wallet, add, end, give, refund
from meterhouse.run.close import close
from meterhouse.run.credit_file import credit_all, planned
from meterhouse.run.crediting import Request, credit
from meterhouse.run.rebuild import rebuild
from meterhouse.run.voiding import void
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
DAY = date(2025, 11, 10)
ALPHA = Wallet("alpha", "USD", "us")
LEFT = (
    "select sum(case when kind in ('lot', 'return') then amount else -amount end) "
    "from facts.balance_moves"
)
OWED = "select sum(credit - debit) from facts.journal_lines where account = ?"
NEWEST = (
    "select number, total, content from facts.documents where customer_id = 'alpha' "
    "and kind = 'invoice' order by batch_seq desc, total desc limit 1"
)


def owed(home, account="customer_credits"):
    return home.rows(OWED, [account])[0][0]


def invoice_of(home, customer="alpha"):
    """The number and total of an invoice of a customer."""
    return home.rows(
        "select number, total from facts.documents where customer_id = ? and total > 0 "
        "and kind = 'invoice' order by total desc limit 1",
        [customer],
    )[0]


def newest(home):
    """The newest invoice of alpha as it was issued."""
    number = home.rows(NEWEST)[0][0]
    return next(one for one in home.documents() if one["issue"]["number"] == number)


def test_a_note_to_the_balance_pays_the_next_invoice_which_rebuilds_and_can_be_voided(october):
    number, total = invoice_of(october)
    note = credit(october.lake, Request(number, "refused", on=DAY, to="balance"))
    assert (note.applied, note.balance, note.refund) == (0, total, 0)
    assert october.rows("select count(*) from facts.applications") == [(0,)]
    assert owed(october) == total
    done = october.issue(MONTHS[2])
    assert done.failed == set()
    paid = newest(october)
    applied = Decimal(paid["balance_applied"])
    assert applied == min(total, Decimal(paid["total"])) > 0
    assert Decimal(paid["amount_due"]) == Decimal(paid["total"]) - applied
    assert [one["source"] for one in paid["balance"]] == ["credit_note"]
    assert owed(october) == october.rows(LEFT)[0][0] == total - applied
    (rebuilt,) = rebuild(october.lake, [paid["issue"]["number"]])
    assert rebuilt.is_identical
    with pytest.raises(Rejected, match="put money to the balance of its customer"):
        void(october.lake, [note.number], "oops", date(2025, 12, 1))
    void(october.lake, [paid["issue"]["number"]], "wrong buyer", date(2025, 12, 1))
    assert owed(october) == october.rows(LEFT)[0][0] == total
    again = october.issue(MONTHS[2])
    assert again.failed == set()
    assert Decimal(newest(october)["balance_applied"]) == applied


def test_lots_are_used_in_order_expire_at_a_close_and_are_refunded_but_not_if_given(october):
    add(october.lake, ALPHA, Decimal("0.30"), "deposit", "paid early", on=DAY)
    add(october.lake, ALPHA, Decimal("0.20"), "adjustment", "sorry", on=DAY)
    late = date(2025, 12, 5)
    lapses = add(
        october.lake, ALPHA, Decimal("9000000"), "deposit", "a gift", on=DAY,
        expires_on=late, priority=90,
    )  # fmt: skip
    planned_refund = refund(october.lake, ALPHA, None, "asked for", on=DAY, dry=True)
    assert sum(one["amount"] for one in planned_refund.moves) == Decimal("9000000.30")
    refund(october.lake, ALPHA, Decimal("0.10"), "asked for", on=DAY)
    with pytest.raises(Rejected, match=r"alpha has 9000000\.2 USD that can be paid back"):
        refund(october.lake, ALPHA, Decimal("9000000.30"), "more", on=DAY)
    october.issue(MONTHS[2])
    drawn = october.rows(
        "select lots.source, lots.amount, draws.amount from facts.balance_moves as draws "
        "join facts.balance_moves as lots using (lot_id) "
        "where draws.kind = 'draw' and lots.kind = 'lot' order by lots.priority, lots.source"
    )
    # Given for nothing first, then the older money; what expires has the last priority.
    assert [(one, whole - taken) for one, whole, taken in drawn[:2]] == [
        ("adjustment", Decimal(0)),
        ("deposit", Decimal("0.10")),
    ]
    rest = october.rows(LEFT)[0][0]
    assert rest > 0
    close(october.lake, late)
    assert october.rows(LEFT)[0][0] == owed(october) == 0
    assert owed(october, "breakage_revenue") == rest
    assert owed(october, "cash") == Decimal("0.10") - Decimal("9000000.30")
    with pytest.raises(UsageError, match="Nothing is left of a lot"):
        end(october.lake, lapses.moves[0]["lot_id"], "again")


def test_a_note_is_split_given_later_and_asked_for_by_a_file_once(october, tmp_path):
    number, _ = invoice_of(october)
    cent = Decimal("0.01")
    with pytest.raises(Rejected, match=r"were asked for\. Nothing was credited"):
        credit(october.lake, Request(number, "x", {1: cent}, on=DAY, refund=Decimal(5)))
    asked = Request(number, "split", amount=Decimal(2), on=DAY, balance=cent, refund=2 * cent)
    split = credit(october.lake, asked)
    assert (split.applied, split.balance, split.refund) == (-split.total - 3 * cent, cent, 2 * cent)
    assert (owed(october), -owed(october, "cash")) == (cent, -2 * cent)
    file = tmp_path / "notes.csv"
    file.write_text(
        "number,line,amount,reason,to\n"
        f"{number},1,0.02,rounded,refund\nUS2025-9999,,,gone,\n{number},1,x,rounded,refund\n"
    )
    with pytest.raises(Rejected) as refused:
        planned(october.lake, file)
    assert "No document has the number US2025-9999" in str(refused.value)
    assert "row 4: 'x' is not an amount" in str(refused.value)
    file.write_text(f"number,line,amount,reason,to\n{number},1,0.02,rounded,refund\n")
    (made,) = credit_all(october.lake, planned(october.lake, file))
    assert made.refund == -made.total
    assert planned(october.lake, file).known == 1
    assert planned(october.lake, file).requests == ()


def test_what_is_left_of_a_note_goes_to_an_invoice_of_the_same_wallet_only(october):
    number, total = invoice_of(october)
    credit(october.lake, Request(number, "all", on=DAY))
    note, open_note = october.rows(
        "select number, total from facts.documents where kind = 'credit_note' "
        "order by batch_seq desc limit 1"
    )[0]
    with pytest.raises(Rejected, match=f"0 USD is left of {note}"):
        give(october.lake, note, "balance", "again")
    other = invoice_of(october, "sato")[0]
    with pytest.raises(Rejected, match="are not of one entity: us and jp"):
        give(october.lake, note, "invoice", "wrong", invoice=other)
    with pytest.raises(Rejected, match=f"{number} is not credit note"):
        give(october.lake, number, "balance", "wrong")
    assert open_note == -total

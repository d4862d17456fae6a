"""Bill one customer now: a whole run of which only what that customer pays is issued."""

from datetime import date

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean
from meterhouse.run import steps
from meterhouse.run.bill import Billed, Tell, admit, begin, prepare
from meterhouse.run.context import Run
from meterhouse.run.issuing import Issued, issue
from meterhouse.run.publishing import publish

MINE = """
select draft_id from billing.drafts
where customer_id = ? and draft_id not in (select document_id from facts.documents)
"""


def bill_customer(lake: Lake, customer: str, through: date, tell: Tell = lambda _: None) -> Billed:
    """Run through a day and issue only the approved drafts of one payer.

    Nobody writes that the run came to its end: the next one goes the whole way and issues the rest.
    """
    with lake.run_lock.held():
        _refuse_unknown(lake, customer)
        loaded = admit(lake, tell)
        with begin(lake, through, None, False) as (run, why_dry):
            result = Billed(run.run_id, through, run.known_at, run.is_dry, why_dry, loaded)
            prepare(run, result, tell)
            if not run.is_dry:
                tell("Issuing")
                result.issued = _issued(run, customer)
                tell("Building marts")
                steps.refresh(run)
                result.is_published = publish(run.warehouse)
    return result


def _issued(run: Run, customer: str) -> Issued:
    with run.warehouse.connect(run.lake.head()) as db:
        mine = [row[0] for row in db.execute(MINE, [customer]).fetchall()]
    # Without a name every draft would be issued.
    return issue(run.lake, mine, run.warehouse) if mine else Issued(None, (), ())


def _refuse_unknown(lake: Lake, customer: str) -> None:
    with lake.reading() as db:
        rows = db.execute(
            "select distinct doc_id from facts.book_versions where kind = 'customer'"
        ).fetchall()
    known = [row[0] for row in rows]
    if customer not in known:
        raise UsageError(
            f"No customer {customer} is in the book{did_you_mean(customer, known) or '.'} "
            "Nothing was run."
        )

"""The invariants: what must hold before anything is issued, as SQL over facts and derived tables.

Each statement gives one row per thing in its scope: scope_id, expected, actual, and detail for
the sentence. It holds where expected and actual are equal. A detail that begins with the name of
a batch, or with "first ", names a fault inside sums that happen to agree, and fails as well.

`{since}` is a batch: what facts said up to it was checked, and facts never change; see proven.py.
"""

from typing import NamedTuple


class Check(NamedTuple):
    """One check; `claim` is the sentence that holds, `remedy` what to do when it does not."""

    name: str
    scope_kind: str
    is_blocking: bool
    claim: str
    remedy: str
    sql: str


CHECKS = (
    Check(
        "batches_add_up",
        "run",
        True,
        "received + released = accepted + duplicate + conflict + quarantined + refused",
        "A batch lost or doubled records; do not issue, restore the lake from a backup.",
        """
        select 'run' as scope_id, sum(received + released) as expected,
            sum(accepted + duplicate + conflict + quarantined + refused) as actual,
            coalesce('batch ' || min(batch_seq) filter (
                received + released
                <> accepted + duplicate + conflict + quarantined + refused
            ), 'all batches') as detail
        from facts.batches
        """,
    ),
    Check(
        "accepted_events_are_stored",
        "run",
        True,
        "the batches' accepted events are the events of the lake",
        "Events are missing or doubled in the lake; do not issue, restore it from a backup.",
        """
        with batches as (
            select batch_seq, sum(accepted) as accepted from facts.batches group by 1
        ),
        events as (select batch_seq, count(*) as events from facts.usage_events group by 1)
        select 'run' as scope_id, coalesce(sum(accepted), 0) as expected,
            coalesce(sum(events), 0) as actual,
            coalesce('batch ' || min(batch_seq) filter (
                coalesce(accepted, 0) <> coalesce(events, 0)
            ), 'all batches') as detail
        from batches full join events using (batch_seq)
        """,
    ),
    Check(
        "quarantine_adds_up",
        "run",
        True,
        "quarantined = released + refused + still open",
        "A quarantined event was released twice or lost; do not issue, tell the engineers.",
        """
        with steps as (
            select
                count(*) filter (status = 'quarantined') as entered,
                count(*) filter (status <> 'quarantined') as steps,
                count(distinct (original_seq, original_row))
                    filter (status <> 'quarantined') as ended
            from facts.rejected_events
        ),
        batches as (
            select coalesce(sum(quarantined), 0) as quarantined,
                coalesce(sum(released) filter (kind in ('release', 'refusal')), 0) as released
            from facts.batches
        )
        select 'run' as scope_id, quarantined - released as expected,
            entered - ended as actual,
            case when steps > ended then 'first ' || steps - ended || ' events that ended twice'
                else steps || ' steps' end as detail
        from steps, batches
        """,
    ),
    Check(
        "every_event_has_a_fate",
        "customer",
        True,
        "accepted events = read by a charge window + named buckets",
        "Usage leaks between the lake and the bill; delete the warehouse and run again.",
        """
        with events as (select customer_id, events from ops.counted),
        fates as (select customer_id, sum(event_count) as fates from usage.fates group by 1)
        select customer_id as scope_id, coalesce(events, 0) as expected,
            coalesce(fates, 0) as actual, 'events' as detail
        from events full join fates using (customer_id)
        """,
    ),
    Check(
        "usage_is_conserved",
        "customer",
        True,
        "the quantity of a meter's events = the quantity of its days",
        "The daily aggregates are not what the events say; delete the warehouse and run again.",
        """
        with events as (select * from ops.conserved),
        -- Days of a zone the customer has left, or of a replaced meter version, are read no more.
        days as (
            select customer_id, meter_id, meter_version, zone, sum(quantity) as quantity
            from usage.daily
            semi join ops.meter_plan using (customer_id, meter_id, meter_version, zone)
            group by all
        )
        select customer_id as scope_id, coalesce(sum(events.quantity), 0) as expected,
            coalesce(sum(days.quantity), 0) as actual,
            coalesce('first ' || min(meter_id) filter (
                coalesce(events.quantity, 0) <> coalesce(days.quantity, 0)
            ), 'units, over all meters and zones') as detail
        from events
        full join days using (customer_id, meter_id, meter_version, zone)
        group by customer_id
        """,
    ),
    Check(
        "determinants_hold_all_days",
        "contract",
        True,
        "the determinants of an item = the days of its meter inside its windows",
        "A window lost or doubled a day; delete the warehouse and run again.",
        """
        -- Where a quantity is what its days add up to: not a level, a quotient or a peak.
        with rules as (
            select meter_id, meter_version from ops.meter_rules
            where is_additive and is_exact and not recurring
        ),
        windows as (
            select contract_id, item_id, customer_id, zone, meter_id, meter_version,
                min(window_start_on) as first_on, max(window_end_on) as end_on
            from billing.charge_windows semi join rules using (meter_id, meter_version)
            where component = 'usage' and is_whole_days and usage_of is null group by all
            union all
            -- Customers may leave a pool and come again.
            select contract_id, item_id, members.customer_id, zone, meter_id, meter_version,
                members.from_on, members.until_on
            from billing.charge_windows semi join rules using (meter_id, meter_version)
            join billing.window_members as members using (window_id)
            where is_whole_days
        ),
        days as (
            select windows.contract_id, windows.item_id, sum(daily.quantity) as quantity
            from windows
            join usage.daily as daily using (customer_id, zone, meter_id, meter_version)
            where daily.local_day >= windows.first_on and daily.local_day < windows.end_on
            group by all
        ),
        determinants as (
            select contract_id, item_id, sum(quantity) as quantity
            from usage.determinants
            semi join (select window_id from billing.charge_windows where is_whole_days)
                using (window_id)
            semi join rules using (meter_id, meter_version)
            where is_measured group by all
        )
        select contract_id as scope_id, coalesce(sum(days.quantity), 0) as expected,
            coalesce(sum(determinants.quantity), 0) as actual,
            coalesce('first ' || min(item_id) filter (
                coalesce(days.quantity, 0) <> coalesce(determinants.quantity, 0)
            ), 'units') as detail
        from determinants full join days using (contract_id, item_id)
        group by contract_id
        """,
    ),
    Check(
        "measured_windows_hold_their_events",
        "window",
        True,
        "a window measured in this run holds the events it covers, and no other number than theirs",
        "What was measured is not what the events say; delete the warehouse and run again.",
        # measured_check.py counts the events once more, in another way.
        """
        select window_id as scope_id, sum(events) as expected, sum(recorded) as actual,
            coalesce('first ' || min(dimensions) filter (events <> recorded or is_wrong), 'events')
                as detail
        from measured_again group by window_id
        """,
    ),
    Check(
        "dimensions_are_bounded",
        "window",
        False,
        "a window has at most as many combinations of dimension values as its meter allows",
        "Each is a line of its own: leave out the property, or raise the meter's dimension_limit.",
        """
        select determinants.window_id as scope_id, 'at most ' || any_value(dimension_limit)
                as expected,
            case when count(*) > any_value(dimension_limit) then cast(count(*) as varchar)
                else 'at most ' || any_value(dimension_limit) end as actual,
            any_value(contract_id) || ' ' || any_value(item_id) || ' from '
                || any_value(window_start_on) || ', meter ' || any_value(meter_id) as detail
        from usage.determinants as determinants
        join (
            select distinct meter_id, meter_version, dimension_limit from book.meters
            where dimensions <> []
        ) as meters using (meter_id, meter_version)
        group by determinants.window_id
        """,
    ),
    Check(
        "conflicts_are_resolved",
        "window",
        True,
        "no open conflict falls into the window",
        "Keep the first values or take the new ones: `meterhouse conflicts list`.",
        """
        with ended as (
            select distinct original_seq, original_row from facts.conflicts where status <> 'open'
        ),
        open as (
            select * from facts.conflicts as conflicts
            where status = 'open' and not exists (
                select 1 from ended
                where ended.original_seq = conflicts.batch_seq
                    and ended.original_row = conflicts.row_no
            )
        ),
        instants as (
            select customer_id, event_type, occurred_at as at, batch_seq, row_no from open
            union
            select customer_id, event_type, first_occurred_at, batch_seq, row_no from open
        )
        select windows.window_id as scope_id, 0 as expected,
            count(distinct (instants.batch_seq, instants.row_no)) as actual,
            windows.contract_id || ' ' || windows.item_id || ' from '
                || windows.window_start_on as detail
        from instants
        join (
            from billing.charge_windows where usage_of is null
            union all by name
            select windows.* replace (members.customer_id as customer_id,
                members.read_from as window_start, members.read_to as window_end)
            from billing.charge_windows as windows
            join billing.window_members as members using (window_id)
        ) as windows
            on windows.customer_id = instants.customer_id
            and instants.at >= windows.window_start and instants.at < windows.window_end
        join book.meters as meters
            on meters.meter_id = windows.meter_id
            and meters.meter_version = windows.meter_version
            and meters.event_type = instants.event_type
        group by windows.window_id, windows.contract_id, windows.item_id, windows.window_start_on
        """,
    ),
    Check(
        "sources_are_complete",
        "meter",
        True,
        "the events of a day are what their source states of it",
        "Find what is missing or too many: `meterhouse quarantine list`, `meterhouse conflicts "
        "list`, or ask the source to deliver the day again or to correct its statement.",
        # completeness_check.py makes it: which columns are added up is known only then.
        "select * from source_completeness",
    ),
    Check(
        "quantities_are_not_negative",
        "window",
        True,
        "no determinant is below zero",
        "Corrections took away more than was used; review the events of the window.",
        """
        select window_id as scope_id, 0 as expected, quantity as actual,
            contract_id || ' ' || item_id || ' from ' || window_start_on as detail
        from usage.determinants where quantity < 0
        """,
    ),
    Check(
        "usage_has_a_contract",
        "customer",
        True,
        "no usage without a contract, where the customer's account demands it",
        "Record a contract that covers the usage, or set usage_without_contract: allow.",
        """
        select fates.customer_id as scope_id, 0 as expected, sum(event_count) as actual,
            'events from ' || min(event_day) || ' to ' || max(event_day) as detail
        from usage.fates as fates
        join book.customers as customers using (customer_id)
        where customers.usage_without_contract = 'block'
            and fates.fate in ('no_contract', 'not_in_contract')
        group by fates.customer_id
        """,
    ),
    Check(
        "contracts_are_rated",
        "contract",
        True,
        "every contract could be rated",
        "Correct the contract or its usage and run again.",
        "select contract_id as scope_id, 0 as expected, 1 as actual, sentence as detail "
        "from ops.failures",
    ),
    Check(
        "drafts_are_the_difference",
        "contract",
        True,
        "billed + written off + drafted = desired",
        "The drafts are not the difference; delete the warehouse and run again.",
        """
        with sides as (
            select contract_id, window_id, amount as desired, 0 as billed
            from billing.desired_lines
            -- What a threshold billed before is billed again when the next is reached, or when due.
            where (contract_id, due_on) not in (
                select (contract_id, due_on) from billing.early_windows where not is_reached
            ) and hash(contract_id) in (select contract_no from ops.looked_at)
            union all
            select contract_id, window_id, 0, amount + coalesce(tax_included, 0)
            from facts.billed_lines
            -- What people credit, add or adjust is no part of what is due.
            where hash(contract_id) in (select contract_no from ops.looked_at)
            and role not in ('credit_note', 'one_off', 'adjustment') and (
                due_on <= (select through from ops.run) or (contract_id, due_on) in (
                    select (contract_id, due_on) from billing.early_windows where is_reached
                )
            )
            union all
            select contract_id, window_id, 0, amount from facts.standing_write_offs
            where hash(contract_id) in (select contract_no from ops.looked_at)
                and due_on <= (select through from ops.run)
            union all
            select contract_id, window_id, 0, amount + coalesce(tax_included, 0)
            from billing.draft_lines
            where role not in ('one_off', 'adjustment')
        ),
        windows as (
            select contract_id, window_id, sum(desired) as desired, sum(billed) as billed
            from sides group by all
        )
        select contract_id as scope_id, sum(desired) as expected, sum(billed) as actual,
            coalesce('first window ' || min(window_id) filter (desired <> billed), 'money')
                as detail
        from (
            -- What people credited of a line is not taken back once more; see credited.py.
            select contract_id, window_id, billed, desired + coalesce(kept, 0) as desired
            from windows left join credited_windows using (contract_id, window_id)
        )
        where contract_id not in (select contract_id from ops.failures)
        group by contract_id
        """,
    ),
    Check(
        "drafts_add_up",
        "customer",
        True,
        "lines = net, and net + tax = total, in every draft",
        "A draft does not add up; delete the warehouse and run again.",
        """
        with lines as (
            select draft_id, sum(amount) as amount from billing.draft_lines group by 1
        )
        select customer_id as scope_id,
            sum(coalesce(lines.amount, 0) + coalesce(tax, 0)) as expected,
            sum(coalesce(total, net)) as actual,
            coalesce('first ' || min(left(draft_id, 8)) filter (
                coalesce(lines.amount, 0) <> net or coalesce(net + tax <> total, false)
            ), 'all drafts') as detail
        from billing.drafts left join lines using (draft_id)
        group by customer_id
        """,
    ),
    Check(
        "documents_add_up",
        "entity",
        True,
        "lines = net and net + tax = total in every issued document",
        "An issued document does not add up; do not issue, tell the engineers.",
        """
        with lines as (
            select document_id, sum(amount) as amount from facts.billed_lines
            where batch_seq > {since} group by 1
        )
        select entity_id as scope_id, sum(coalesce(lines.amount, 0) + tax) as expected,
            sum(total) as actual,
            coalesce('first ' || min(number) filter (
                coalesce(lines.amount, 0) <> net or net + tax <> total
            ), 'all documents') as detail
        from facts.documents left join lines using (document_id)
        where batch_seq > {since} group by entity_id
        """,
    ),
    Check(
        "taxes_add_up",
        "entity",
        True,
        "the taxes of each issued document, and of its lines, add up to its tax",
        "Taxes on record are not those of their document; do not issue, tell the engineers.",
        """
        with rows as (
            select document_id, sum(tax) as tax from facts.document_taxes
            where batch_seq > {since} group by 1
        ),
        lines as (
            select document_id, sum(tax) as tax from facts.line_taxes
            where batch_seq > {since} group by 1
        )
        -- Documents of a release before taxes were kept apart have no rows.
        select entity_id as scope_id, sum(documents.tax) as expected, sum(rows.tax) as actual,
            coalesce('first ' || min(number) filter (
                rows.tax <> documents.tax or lines.tax <> documents.tax
            ), 'all documents') as detail
        from facts.documents as documents join rows using (document_id)
        left join lines using (document_id)
        group by entity_id
        """,
    ),
    Check(
        "entries_balance",
        "entity",
        True,
        "debits = credits in every entry, in transaction and base currency",
        "An entry does not balance; do not issue, tell the engineers.",
        """
        with sums as (
            select entry_id, sum(debit) as debit, sum(credit) as credit,
                sum(debit_base) as debit_base, sum(credit_base) as credit_base
            from facts.journal_lines where batch_seq > {since} group by 1
        )
        select entity_id as scope_id, sum(debit + debit_base) as expected,
            sum(credit + credit_base) as actual,
            coalesce('first ' || min(entry_id) filter (
                debit <> credit or debit_base <> credit_base or debit is null
            ), 'all entries') as detail
        from facts.journal_entries left join sums using (entry_id)
        where batch_seq > {since} group by entity_id
        """,
    ),
    Check(
        "receivables_equal_documents",
        "entity",
        True,
        "accounts receivable = totals of issued documents and what was owed before",
        "The ledger and the documents disagree; do not issue, tell the engineers.",
        """
        with touched as (
            select coalesce(document_id, '') as document_id from facts.journal_entries
            where batch_seq > {since}
            union select document_id from facts.documents where batch_seq > {since}
            union select document_id from facts.imported_documents where batch_seq > {since}
        ),
        ledger as (
            -- An imported journal's own balance is nobody's, and is told by document in full.
            select entity_id, case when starts_with(event, 'history.') and customer_id is null
                    then '' else coalesce(document_id, '') end as document_id,
                sum(debit - credit) as amount
            from facts.journal_lines join facts.journal_entries using (entry_id)
            -- What pays a document is an entry of its own.
            where account = 'accounts_receivable'
                and coalesce(document_id, '') in (select document_id from touched)
                and event not in ('prepaid.applied', 'prepaid.returned')
                and not starts_with(event, 'balance.')
            group by all
        ),
        documents as (
            select entity_id, document_id, sum(total) as amount
            from (
                select entity_id, document_id, total from facts.documents
                union all
                -- What was owed of documents of the system before.
                select entity_id, document_id, open_amount from facts.imported_documents
                where open_amount <> 0
            ) semi join touched using (document_id)
            anti join facts.voids using (document_id) group by all
        )
        select entity_id as scope_id, coalesce(sum(documents.amount), 0) as expected,
            coalesce(sum(ledger.amount), 0) as actual,
            coalesce('first document ' || min(document_id) filter (
                coalesce(documents.amount, 0) <> coalesce(ledger.amount, 0)
            ), 'money') as detail
        from documents full join ledger using (entity_id, document_id)
        group by entity_id
        """,
    ),
    Check(
        "balances_equal_the_ledger",
        "entity",
        True,
        "lots of customers' balances, less what was used of them = account customer_credits",
        "The ledger and the balances disagree; do not issue, tell the engineers.",
        """
        with moves as (
            select entity_id, customer_id, currency, sum(
                case when kind in ('lot', 'return') then amount else -amount end
            ) as amount
            from facts.balance_moves where batch_seq > {since} group by all
        ),
        ledger as (
            select entity_id, customer_id, currency, sum(credit - debit) as amount
            from facts.journal_lines as lines join facts.journal_entries as entries
                using (entry_id)
            where account = 'customer_credits' and lines.batch_seq > {since} group by all
        ),
        below as (
            select entity_id, min(lot_id) as lot_id
            from (
                select entity_id, lot_id from facts.balance_moves
                group by entity_id, lot_id having sum(
                    case when kind in ('lot', 'return') then amount else -amount end
                ) < 0
            ) group by entity_id
        )
        select entity_id as scope_id, coalesce(sum(moves.amount), 0) as expected,
            coalesce(sum(ledger.amount), 0) as actual,
            coalesce(
                'first customer ' || min(customer_id) filter (
                    coalesce(moves.amount, 0) <> coalesce(ledger.amount, 0)
                ),
                'first lot used beyond its amount ' || any_value(below.lot_id), 'money'
            ) as detail
        from moves full join ledger using (entity_id, customer_id, currency)
        left join below using (entity_id)
        group by entity_id
        """,
    ),
    Check(
        "numbers_are_gapless",
        "entity",
        True,
        "the documents of a series are as many as its last number",
        "A number is missing or doubled; do not issue, tell the engineers.",
        """
        select any_value(entity_id) as scope_id,
            max(cast(regexp_extract(number, '([0-9]+)[^0-9]*$', 1) as bigint)) as expected,
            -- A series that goes on from the system before begins after its last number.
            count(distinct number) + coalesce(any_value(last_number), 0) as actual,
            case when count(distinct number) < count(*) then 'first doubled in ' else '' end
                || series as detail
        from facts.documents left join (
            select entity_id || '|' || name || '|' || year(from_on) as series,
                cast(quantity as bigint) as last_number
            from facts.imported_openings where kind = 'series'
        ) using (series)
        group by series
        """,
    ),
    Check(
        "quarantine_is_empty",
        "run",
        False,
        "no event waits in quarantine",
        "Look at them: `meterhouse quarantine list`; each run tries them again.",
        """
        select 'run' as scope_id, 0 as expected,
            count(*) filter (status = 'quarantined')
                - count(distinct (original_seq, original_row)) filter (status <> 'quarantined')
                as actual,
            'events' as detail
        from facts.rejected_events
        """,
    ),
)

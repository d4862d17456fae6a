"""The tables of the lake: columns in order, as DuckDB types.

Every facts table ends with `batch_seq` (number of the input commit; for rows that take none, the
number the run was pinned at), `row_no` (1-based within commit and table) and `row_hash`.
"""

TAIL = {"batch_seq": "bigint", "row_no": "bigint", "row_hash": "varchar"}
AMOUNT = "decimal(38, 18)"
QUANTITY = "decimal(38, 12)"

FACTS: dict[str, dict[str, str]] = {
    # One row per load of a file (kind file, or repeat where all of it was known), release,
    # refusal, resolution, amendment, void or replacement.
    "batches": {
        "source": "varchar",
        "kind": "varchar",
        "name": "varchar",
        "content_sha256": "varchar",
        # How far the source is read with this batch, in the words of its connector.
        "cursor": "varchar",
        "received": "bigint",
        "released": "bigint",
        "accepted": "bigint",
        "duplicate": "bigint",
        "conflict": "bigint",
        "quarantined": "bigint",
        "refused": "bigint",
        "received_at": "timestamptz",
    },
    # One row per day that a source made a statement about, whenever it says something new.
    "source_statements": {
        "source": "varchar",
        "event_day": "date",
        "events": "bigint",
        "property": "varchar",
        "total": QUANTITY,
        "stated_at": "timestamptz",
    },
    # One row per accepted event, amended version of one, or its end: the last two name the version
    # they replace. A row with action 'void' takes an event away and adds nothing.
    "usage_events": {
        "source": "varchar",
        "event_id": "varchar",
        "event_type": "varchar",
        "subject": "varchar",
        "customer_id": "varchar",
        "occurred_at": "timestamptz",
        "event_day": "date",
        "received_at": "timestamptz",
        "data": "varchar",
        "source_row": "bigint",
        "replaces_seq": "bigint",
        "replaces_row": "bigint",
        "action": "varchar",
    },
    # One row per step of a quarantined event: status quarantined, then released or refused.
    "rejected_events": {
        "source": "varchar",
        "event_id": "varchar",
        "event_type": "varchar",
        "subject": "varchar",
        "time_text": "varchar",
        "data": "varchar",
        # What the record was to do to a known event: 'amend', 'void' or nothing.
        "action": "varchar",
        "reason": "varchar",
        "detail": "varchar",
        "status": "varchar",
        "original_seq": "bigint",
        "original_row": "bigint",
        "received_at": "timestamptz",
        "source_row": "bigint",
    },
    # One row per step of a conflict: status open, then kept_first or took_new.
    "conflicts": {
        "source": "varchar",
        "event_id": "varchar",
        "event_type": "varchar",
        "subject": "varchar",
        "customer_id": "varchar",
        "occurred_at": "timestamptz",
        "first_occurred_at": "timestamptz",
        "time_text": "varchar",
        "data": "varchar",
        "first_seq": "bigint",
        "first_row": "bigint",
        "status": "varchar",
        "original_seq": "bigint",
        "original_row": "bigint",
        "received_at": "timestamptz",
        "source_row": "bigint",
    },
    # One row per Parquet file that we wrote and registered.
    "files": {
        "table_name": "varchar",
        "path": "varchar",
        "sha256": "varchar",
        "rows": "bigint",
        "bytes": "bigint",
    },
    # One row per version of a document of the book; slot = (kind, doc_id, valid_from).
    "book_versions": {
        "kind": "varchar",
        "doc_id": "varchar",
        "valid_from": "date",
        "content": "varchar",
        "content_sha256": "varchar",
    },
    # One row per command and its result.
    "commands": {
        "command_id": "varchar",
        "kind": "varchar",
        "actor": "varchar",
        "subject_id": "varchar",
        "content_hash": "varchar",
        "payload": "varchar",
        "result": "varchar",
        "sentence": "varchar",
        "given_at": "timestamptz",
    },
    # One row per issued document.
    "documents": {
        "document_id": "varchar",
        "number": "varchar",
        "kind": "varchar",
        "series": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "contract_id": "varchar",
        "currency": "varchar",
        "invoice_date": "date",
        "due_date": "date",
        "posting_date": "date",
        "boundary_on": "date",
        "net": AMOUNT,
        "tax": AMOUNT,
        "total": AMOUNT,
        "content": "varchar",
        "content_hash": "varchar",
        "run_id": "varchar",
        "known_at": "bigint",
        "through": "date",
    },
    # One row per line of an issued document.
    "billed_lines": {
        "line_key": "varchar",
        "document_id": "varchar",
        "line_no": "bigint",
        "number": "varchar",
        "invoice_date": "date",
        "entity_id": "varchar",
        "contract_id": "varchar",
        "item_id": "varchar",
        "item_description": "varchar",
        "component": "varchar",
        "dimensions": "varchar",
        "role": "varchar",
        "timing": "varchar",
        "customer_id": "varchar",
        "payer_id": "varchar",
        "currency": "varchar",
        "zone": "varchar",
        "terms_id": "varchar",
        "purchase_order": "varchar",
        "window_id": "varchar",
        "window_start_on": "date",
        "window_end_on": "date",
        "window_start": "timestamptz",
        "window_end": "timestamptz",
        "period_start_on": "date",
        "period_end_on": "date",
        "due_on": "date",
        "meter_id": "varchar",
        "meter_version": "bigint",
        "price_model": "varchar",
        "price": "varchar",
        "version_seq": "bigint",
        "determinant_id": "varchar",
        "quantity": QUANTITY,
        "amount_unrounded": AMOUNT,
        "amount": AMOUNT,
        "is_correction": "boolean",
        "original_number": "varchar",
        # Null in rows of a release before it was kept, and then the window's end.
        "served_end_on": "date",
        # The line of `original_number` that a line of a credit note by hand takes back.
        "credits_line": "bigint",
        # The taxes that the amount held, of contracts whose prices hold them; else null. The
        # amount is without them.
        "tax_included": AMOUNT,
    },
    # One row per determinant that a line of an issued document was rated from.
    "billed_determinants": {
        "determinant_id": "varchar",
        "document_id": "varchar",
        "line_key": "varchar",
        "window_id": "varchar",
        "contract_id": "varchar",
        "item_id": "varchar",
        "component": "varchar",
        "dimensions": "varchar",
        "customer_id": "varchar",
        "zone": "varchar",
        "window_start_on": "date",
        "window_end_on": "date",
        "meter_id": "varchar",
        "meter_version": "bigint",
        "quantity": QUANTITY,
        "event_count": "bigint",
    },
    # One row per posted entry of the journal.
    "journal_entries": {
        "entry_id": "varchar",
        "entity_id": "varchar",
        "event": "varchar",
        "event_date": "date",
        "posting_date": "date",
        "currency": "varchar",
        "base_currency": "varchar",
        "fx_rate": AMOUNT,
        "document_id": "varchar",
        "cause": "varchar",
        "reversal_of": "varchar",
    },
    # One row per line of a posted entry; debit and credit are never negative.
    "journal_lines": {
        "entry_id": "varchar",
        "line_no": "bigint",
        "account": "varchar",
        "debit": AMOUNT,
        "credit": AMOUNT,
        "debit_base": AMOUNT,
        "credit_base": AMOUNT,
        "customer_id": "varchar",
        "contract_id": "varchar",
        "item_id": "varchar",
        "line_key": "varchar",
        "window_start_on": "date",
        "window_end_on": "date",
    },
    # One row per amount of a credit note (or of a write-off) that lowers what is due of a document.
    "applications": {
        "application_id": "varchar",
        "kind": "varchar",
        "source_id": "varchar",
        "document_id": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "currency": "varchar",
        "amount": AMOUNT,
        "applied_on": "date",
        "command_id": "varchar",
        "reason": "varchar",
    },
    # One row per line of a small correction that was written off instead of issued. It counts as
    # billed as long as the document it corrects is not voided.
    "written_off": {
        "draft_id": "varchar",
        "line_no": "bigint",
        "line_key": "varchar",
        "entity_id": "varchar",
        "contract_id": "varchar",
        "item_id": "varchar",
        "component": "varchar",
        "dimensions": "varchar",
        "role": "varchar",
        "customer_id": "varchar",
        "payer_id": "varchar",
        "currency": "varchar",
        "window_id": "varchar",
        "window_start_on": "date",
        "window_end_on": "date",
        "due_on": "date",
        "amount": AMOUNT,
        "original_number": "varchar",
        "written_on": "date",
        "run_id": "varchar",
    },
    # One row per lot of a customer's balance (kind 'lot'), and per use of one: 'draw', 'refund',
    # 'expiry' or 'void' (of the note that made it); a 'return' gives back what a voided document
    # had drawn. Amounts are positive; what is left of a lot is it and its returns less its uses.
    "balance_moves": {
        "move_id": "varchar",
        "kind": "varchar",
        "lot_id": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "currency": "varchar",
        "amount": AMOUNT,
        "moved_on": "date",
        "priority": "bigint",
        "expires_on": "date",
        # Where a lot came from: 'credit_note', 'deposit', 'adjustment' or 'import'.
        "source": "varchar",
        # The credit note that made a lot, or the document that a use pays.
        "document_id": "varchar",
        "command_id": "varchar",
        "reason": "varchar",
    },
    # One row per document that was taken back before anybody got it; its lines stand no more.
    "voids": {
        "document_id": "varchar",
        "number": "varchar",
        "voided_on": "date",
        "posting_date": "date",
        "command_id": "varchar",
        "reason": "varchar",
    },
    # One row per tax of an issued document.
    "document_taxes": {
        "document_id": "varchar",
        "tax_no": "bigint",
        "number": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "invoice_date": "date",
        "country": "varchar",
        "region": "varchar",
        "name": "varchar",
        "treatment": "varchar",
        "rate": AMOUNT,
        "is_compound": "boolean",
        "reason": "varchar",
        "certificate": "varchar",
        "registration": "varchar",
        "currency": "varchar",
        "base": AMOUNT,
        "tax": AMOUNT,
        "base_currency": "varchar",
        "fx_rate": AMOUNT,
        "base_amount": AMOUNT,
        "base_tax": AMOUNT,
        # Null where base_currency is the document's.
        "fx_on": "date",
        "fx_source": "varchar",
    },
    # One row per import, day and pair of currencies: what one unit of `base` costs in `quote`. Of
    # each source, day and pair the newest row holds.
    "exchange_rates": {
        "import_id": "varchar",
        "source": "varchar",
        "rate_on": "date",
        "base": "varchar",
        "quote": "varchar",
        "rate": AMOUNT,
    },
    # One row per line and tax of an issued document whose taxes rules decided.
    "line_taxes": {
        "document_id": "varchar",
        "line_no": "bigint",
        "tax_no": "bigint",
        "line_key": "varchar",
        "category": "varchar",
        "treatment": "varchar",
        "country": "varchar",
        "region": "varchar",
        "name": "varchar",
        "rate": AMOUNT,
        "is_compound": "boolean",
        "place": "bigint",
        "reason": "varchar",
        "certificate": "varchar",
        "registration": "varchar",
        "base": AMOUNT,
        "tax": AMOUNT,
    },
    # One row per question about taxes that an engine has answered; the first answer holds for ever.
    "tax_answers": {
        "question_sha256": "varchar",
        "engine": "varchar",
        "question": "varchar",
        "answer": "varchar",
        "asked_at": "timestamptz",
    },
    # One row per document of the old system. It is listed, and never made again.
    "imported_documents": {
        "document_id": "varchar",
        "import_id": "varchar",
        "number": "varchar",
        "kind": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "contract_id": "varchar",
        "currency": "varchar",
        "invoice_date": "date",
        "due_date": "date",
        "net": AMOUNT,
        "tax": AMOUNT,
        "total": AMOUNT,
        # What was still owed at the cut-over; 0 where nothing was.
        "open_amount": AMOUNT,
        "original_number": "varchar",
        "cut_over_on": "date",
    },
    # One row per line of a document of the old system.
    "imported_lines": {
        "document_id": "varchar",
        "line_no": "bigint",
        "contract_id": "varchar",
        "item_id": "varchar",
        "description": "varchar",
        "quantity": QUANTITY,
        "amount": AMOUNT,
        "tax": AMOUNT,
        "window_start_on": "date",
        "window_end_on": "date",
    },
    # One row per thing that goes on from the old system: 'payment', 'schedule', 'lot',
    # 'paid_through', 'series' ... One table for all: each table of the facts costs every
    # connection some milliseconds, and most homes import nothing.
    "imported_openings": {
        "opening_id": "varchar",
        "import_id": "varchar",
        "kind": "varchar",
        "entity_id": "varchar",
        "customer_id": "varchar",
        "contract_id": "varchar",
        "item_id": "varchar",
        # Whatever the kind calls it: payment, commitment, discount, kind of document of a series.
        "name": "varchar",
        "number": "varchar",
        "currency": "varchar",
        "amount": AMOUNT,
        "quantity": QUANTITY,
        "from_on": "date",
        "until_on": "date",
        "cut_over_on": "date",
    },
    # One row per import and document of the old billing system beside which this one runs.
    "legacy_invoices": {
        "import_id": "varchar",
        "system": "varchar",
        "number": "varchar",
        "kind": "varchar",
        "customer": "varchar",
        "currency": "varchar",
        "invoice_date": "date",
        "line_count": "bigint",
        "net": AMOUNT,
        "tax": AMOUNT,
        "total": AMOUNT,
        # Why the document is kept out of comparisons; null where it is not.
        "fault": "varchar",
    },
    # One row per import and line of a document of the old billing system.
    "legacy_lines": {
        "import_id": "varchar",
        "system": "varchar",
        "number": "varchar",
        "line_no": "bigint",
        "source_line": "bigint",
        "product": "varchar",
        "description": "varchar",
        "quantity": QUANTITY,
        "unit_price": AMOUNT,
        "amount": AMOUNT,
        "tax": AMOUNT,
        "is_inclusive": "boolean",
        "from_on": "date",
        "until_on": "date",
        "fault": "varchar",
        "raw": "varchar",
    },
    # One row per recorded comparison with the old system, customer and currency.
    "parallel_results": {
        "result_id": "varchar",
        "period": "varchar",
        "cohort": "varchar",
        "customer_id": "varchar",
        "currency": "varchar",
        "old": AMOUNT,
        "new": AMOUNT,
        "difference": AMOUNT,
        "unexplained": AMOUNT,
        "kept_out": "bigint",
        "report_hash": "varchar",
    },
    # One row per file that was made of an issued document: the first of each form is kept.
    "renderings": {
        "document_id": "varchar",
        "form": "varchar",
        "sha256": "varchar",
        "bytes": "bigint",
        "data": "blob",
        "rendered_at": "timestamptz",
    },
    # One row per run, check, attempt and scope; the last attempt of a check counts.
    "check_results": {
        "run_id": "varchar",
        "attempt": "bigint",
        "check_name": "varchar",
        "scope_kind": "varchar",
        "scope_id": "varchar",
        "through": "date",
        "is_blocking": "boolean",
        "passed": "boolean",
        "numbers": "varchar",
        "sentence": "varchar",
    },
    # One row per run.
    "manifests": {
        "run_id": "varchar",
        "content": "varchar",
        "content_hash": "varchar",
        "previous_hash": "varchar",
    },
    # One row per message that must leave the house after a commit.
    "outbox": {
        "message_id": "varchar",
        "kind": "varchar",
        "subject_id": "varchar",
        "payload": "varchar",
    },
    # One row per attempt to deliver a message.
    "deliveries": {
        "message_id": "varchar",
        "attempt": "bigint",
        "result": "varchar",
        "attempted_at": "timestamptz",
    },
}

# Property columns of usage events, by the type an event type declares.
PROPERTY_PREFIX = "p_"


def property_type(kind: str, decimals: int, digits: int = 18) -> str:
    """The column type of a typed property; 18 digits keep Parquet small and sums exact."""
    return {
        "integer": f"decimal({digits}, 0)",
        "decimal": f"decimal({digits}, {decimals})",
        "string": "varchar",
        "boolean": "boolean",
    }[kind]


def property_columns(columns: dict[str, str]) -> dict[str, str]:
    """The typed property columns among the columns of the usage events."""
    return {name: kind for name, kind in columns.items() if name.startswith(PROPERTY_PREFIX)}

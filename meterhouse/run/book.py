"""The book as tables: the newest version of each document, flattened by SQL.

`flatten` makes schema `book` on any connection that has the view `facts.book_versions`.
"""

from collections.abc import Collection
from datetime import date

import duckdb
import polars as pl

from meterhouse.run.settling import settle
from meterhouse.run.trials import once

ALWAYS = "date '0001-01-01'"
FOREVER = "date '9999-12-31'"

SLOTS = f"""
create or replace table book.slots as
with newest as (
    select *, coalesce(valid_from, {ALWAYS}) as slot_from,
        row_number() over (partition by kind, doc_id order by batch_seq, row_no) as version_no
    from facts.book_versions
    qualify row_number() over (
        partition by kind, doc_id, valid_from order by batch_seq desc, row_no desc
    ) = 1
)
select
    kind, doc_id, slot_from, content::json as content, batch_seq as version_seq, version_no,
    coalesce(lead(slot_from) over (partition by kind, doc_id order by slot_from), {FOREVER})
        as slot_to
from newest
"""

ENTRIES = """
create or replace temp view contract_entries as
select doc_id as contract_id, slot_from, unnest((content->'$.items')::json[]) as item
from book.slots where kind = 'contract'
"""

# The text is searched before it is read as JSON: few contracts have phases.
PHASES = """
create or replace temp view phase_entries as
select doc_id as contract_id, slot_from,
    unnest(range(1, 1 + json_array_length(content, '$.phases')::bigint)) as phase_no,
    unnest((content->'$.phases')::json[]) as entry
from book.slots
where kind = 'contract' and contains(content::varchar, '"phases":')
    and json_array_length(content, '$.phases') > 0
"""


def _profile(name: str) -> str:
    """SQL for what a contract's profile says of this, or else that of its customer."""
    return f"coalesce(content->>'$.profile.{name}', account->>'$.{name}')"


# What incomplete periods have their share of, as `+tiers -minimum`; null where nothing is said.
_STUBS = "nullif(concat_ws(' ', " + ", ".join(
    f"case {_profile(f'prorate_{name}')} when 'true' then '+{name}' when 'false' then '-{name}' end"
    for name in (
        *("tiers", "tier_flats", "included", "package", "minimum", "maximum", "commitment"),
    )
) + "), '')"  # fmt: skip


TABLES = {
    # One row per business entity of the seller.
    "entities": """
        select
            doc_id as entity_id, content->>'$.legal_name' as legal_name,
            (content->'$.address')::varchar as address,
            (content->'$.tax_ids')::varchar as tax_ids,
            nullif((content->'$.bank')::varchar, 'null') as bank,
            content->>'$.base_currency' as base_currency, content->>'$.zone' as zone,
            content->>'$.approval' as approval, content->>'$.number_format' as number_format,
            nullif((content->'$.branding')::varchar, 'null') as branding,
            content->>'$.locale' as locale,
            nullif((content->'$.auto_approve')::varchar, 'null') as auto_approve,
            coalesce((content->>'$.approvals')::bigint, 1) as approvals,
            nullif((content->'$.approvers')::varchar, 'null') as approvers,
            nullif((content->'$.issuers')::varchar, 'null') as issuers,
            coalesce((content->>'$.grace_days')::bigint, 0) as grace_days,
            content->>'$.decreases' as decreases,
            nullif((content->'$.write_off_below')::varchar, 'null') as write_off_below,
            nullif((content->'$.write_off_limit')::varchar, 'null') as write_off_limit,
            coalesce((content->>'$.go_live_months')::bigint, 0) as go_live_months,
            content->>'$.tax.currency' as tax_currency, content->>'$.tax.rates' as tax_rates,
            coalesce((content->>'$.tax.max_age_days')::bigint, 5) as tax_rate_days
        from latest where kind = 'entity'""",
    # One row per terms of payment.
    "terms": """
        select doc_id as terms_id, content->>'$.description' as description,
            (content->>'$.net_days')::bigint as net_days,
            content->>'$.counted_from' as counted_from,
            (content->>'$.due_day')::bigint as due_day
        from latest where kind = 'payment_terms'""",
    # One row per customer.
    "customers": """
        select
            doc_id as customer_id, content->>'$.name' as name,
            content->>'$.external_id' as external_id,
            nullif((content->'$.address')::varchar, 'null') as address,
            content->>'$.email' as email, content->>'$.locale' as locale,
            coalesce((content->'$.tax_ids')::varchar, '[]') as tax_ids,
            content->>'$.tax.treatment' as tax_treatment, content->>'$.tax.rate' as tax_rate,
            content->>'$.tax.name' as tax_name, content->>'$.tax.reason' as tax_reason,
            content->>'$.usage_without_contract' as usage_without_contract,
            coalesce((content->>'$.consolidate')::boolean, false) as consolidates
        from latest where kind = 'customer'""",
    # One row per version of a customer that belongs to another, with the days it holds.
    "parents": """
        select
            doc_id as customer_id, content->>'$.parent' as parent_id, slot_from as from_on,
            slot_to as until_on, coalesce(content->>'$.billing' = 'parent', false) as parent_pays
        from book.slots where kind = 'customer' and (content->>'$.parent') is not null""",
    # One row per name under which events may speak of a customer, with the days it holds.
    "subjects": f"""
        select doc_id as subject, doc_id as customer_id, {ALWAYS} as from_on, {FOREVER} as until_on
        from latest where kind = 'customer'
        union
        select content->>'$.external_id', doc_id, {ALWAYS}, {FOREVER}
        from latest where kind = 'customer' and (content->>'$.external_id') is not null
        union
        select
            alias->>'$.value', doc_id, coalesce((alias->>'$.from')::date, {ALWAYS}),
            coalesce((alias->>'$.until')::date, {FOREVER})
        from (
            select doc_id, unnest((content->'$.aliases')::json[]) as alias
            from latest where kind = 'customer'
        )""",
    # One row per event type and property.
    "properties": """
        select
            doc_id as event_type, name, content->'$.properties'->name->>'$.type' as type,
            coalesce((content->'$.properties'->name->>'$.decimals')::bigint, 0) as decimals,
            (content->'$.properties'->name->>'$.required')::boolean as is_required,
            coalesce(content->'$.properties'->name->>'$.path', name) as path,
            (content->'$.properties'->name->'$.values')::varchar[] as values,
            coalesce((content->'$.properties'->name->>'$.digits')::bigint, 18) as digits
        from (
            select doc_id, content, unnest(json_keys(content->'$.properties')) as name
            from latest where kind = 'event_type'
        )""",
    # One row per event type.
    "event_types": "select doc_id as event_type from latest where kind = 'event_type'",
    # One row per version of a meter (numbered from 1) and the days it is in force.
    "meters": """
        select
            doc_id as meter_id, version_no as meter_version, slot_from, slot_to,
            content->>'$.event_type' as event_type, content->>'$.aggregation' as aggregation,
            content->>'$.property' as property, content->>'$.unit' as unit,
            (content->>'$.decimals')::bigint as decimals,
            nullif((content->'$.filter')::varchar, 'null') as filter,
            content->>'$.list_price.currency' as list_currency,
            (content->>'$.list_price.unit_amount')::decimal(38, 12) as list_unit_amount,
            (content->>'$.percentile')::decimal(9, 6) as percentile,
            coalesce((content->>'$.recurring')::boolean, false) as recurring,
            content->>'$.operation' as operation, content->>'$.bucket' as bucket,
            coalesce((content->'$.dimensions')::varchar[], []) as dimensions,
            coalesce((content->>'$.dimension_limit')::bigint, 1000) as dimension_limit,
            coalesce(content->>'$.convert.multiply', '1') as convert_multiply,
            coalesce(content->>'$.convert.divide', '1') as convert_divide,
            (content->>'$.round.places')::bigint as round_places,
            coalesce(content->>'$.round.mode', 'half_up') as round_mode,
            coalesce(content->>'$.clock', 'event') as clock,
            coalesce((content->>'$.empty')::decimal(38, 12), 0) as empty,
            coalesce((content->>'$.split')::boolean, false) as split,
            content->>'$.shadow_of' as shadow_of, content->>'$.model' as model,
            coalesce((content->>'$.reopen')::boolean, false) as reopen
        from book.slots where kind = 'meter'""",
    # One row per product.
    "products": """
        select
            doc_id as product_id, content->>'$.name' as name, content->>'$.type' as type,
            content->>'$.parent' as parent_id, content->>'$.meter' as meter_id,
            content->>'$.unit' as unit, content->>'$.tax_code' as tax_code,
            content->>'$.revenue_recognition' as revenue_recognition,
            (content->'$.components')::varchar as components
        from latest where kind = 'product'""",
    # One row per version of a list price and the days it holds.
    "prices": f"""
        select
            doc_id as price_id, slot_from,
            least(slot_to, coalesce((content->>'$.until')::date, {FOREVER})) as slot_to,
            version_seq, content->>'$.product' as product_id, content->>'$.currency' as currency,
            content->>'$.price.model' as price_model, (content->'$.price')::varchar as price
        from book.slots where kind = 'price'""",
    # One row per version of a plan and the days it is the one for new contracts.
    "plans": f"""
        select
            doc_id as plan_id, slot_from, slot_to, version_seq,
            coalesce(content->>'$.version',
                case when slot_from > {ALWAYS} then slot_from::varchar else 'first' end
            ) as plan_version,
            content->>'$.name' as name, content->>'$.currency' as currency,
            coalesce((content->'$.products')::varchar[], []) as products,
            (content->'$.items')::varchar as items
        from book.slots where kind = 'plan'""",
    # One row per version of a document and attribute that it carries.
    "custom_attributes": """
        select
            kind, doc_id, slot_from, slot_to, name, content->'$.custom'->>name as value
        from (
            select *, unnest(json_keys(content->'$.custom')) as name
            from book.slots where (content->'$.custom') is not null
        )""",
    # One row per contract: its life is what the newest slot says.
    "contracts": f"""
        select
            doc_id as contract_id, content->>'$.customer' as customer_id,
            coalesce(content->>'$.payer', content->>'$.customer') as payer_id,
            content->>'$.entity' as entity_id, content->>'$.currency' as currency,
            content->>'$.zone' as zone, content->>'$.payment_terms' as terms_id,
            content->>'$.purchase_order' as purchase_order,
            (content->>'$.start')::date as start_on, (content->>'$.end')::date as end_on,
            (content->>'$.anchor_day')::bigint as anchor_day,
            coalesce(epoch(cast(content->>'$.day_starts_at' as time)), 0)::bigint as day_seconds,
            epoch(cast(coalesce(content->>'$.start_time', content->>'$.day_starts_at', '00:00')
                as time))::bigint as start_seconds,
            epoch(cast(coalesce(content->>'$.end_time', content->>'$.day_starts_at', '00:00')
                as time))::bigint as end_seconds,
            content->>'$.plan.id' as plan_id, content->>'$.plan.version' as plan_version,
            nullif((content->'$.modifiers')::varchar, 'null') as modifiers,
            list_position(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday',
                'sunday'], content->>'$.anchor.weekday')::bigint as anchor_weekday,
            coalesce((content->>'$.anchor.calendar')::boolean, false) as is_calendar,
            (content->>'$.trial.until')::date as trial_until,
            coalesce((content->>'$.trial.covers_usage')::boolean, false) as trial_covers_usage,
            (content->>'$.cancellation.on')::date as cancellation_on,
            content->>'$.cancellation.effective' as cancellation_effective,
            coalesce((content->>'$.due_after_days')::bigint, 0) as due_after_days,
            (content->>'$.invoice_day')::bigint as invoice_day,
            coalesce((content->>'$.invoice_before_days')::bigint, 0) as invoice_before_days,
            coalesce(content->>'$.renewal.uplift_applies_to' = 'prices_and_modifiers', false)
                as raises_modifiers,
            nullif((content->'$.thresholds.amounts')::varchar, 'null') as threshold_amounts,
            (content->>'$.thresholds.every')::decimal(38, 18) as threshold_every,
            coalesce((content->>'$.tax_inclusive')::boolean, false) as tax_inclusive,
            {_profile("granularity")} as granularity,
            {_profile("day_count")} as day_count,
            {_profile("fixed_days")}::bigint as fixed_days,
            {_profile("factor_scale")} as factor_scale,
            {_profile("prorate_change")} as prorate_change,
            {_profile("prorate_quantity")} as prorate_quantity,
            {_profile("cancel_day")} as cancel_day,
            {_profile("grid_from")} as grid_from,
            {_profile("change_anchor")} as change_anchor,
            {_profile("final_period")} as final_period,
            {_profile("downgrade_effect")} as downgrade_effect,
            {_profile("credit_basis")} as credit_basis,
            {_profile("usage_split_due")} as usage_split_due,
            {_profile("split_tiers")} as split_tiers,
            {_STUBS} as stub_flags,
            {_profile("prorate_start")} as profile_prorate_start,
            {_profile("prorate_end")} as profile_prorate_end
        from (
            -- Each path below is read from a copy of its own: without items they are small.
            select doc_id, json_merge_patch(content, '{{"items":null}}') as content
            from latest where kind = 'contract'
        )
        left join (
            select doc_id as account_id, content->'$.profile' as account
            from latest where kind = 'customer'
        ) on account_id = (content->>'$.customer')""",
    # One row per contract slot and item.
    "contract_items": """
        select
            contract_id, slot_from, slot_to, version_seq, item->>'$.id' as item_id,
            item->>'$.description' as item_description, item->>'$.timing' as timing,
            item->>'$.meter' as meter_id, item->>'$.price.model' as price_model,
            (item->'$.price')::varchar as price,
            (item->>'$.quantity')::decimal(38, 12) as fixed_quantity,
            (item->>'$.prorate.start')::boolean as prorate_start,
            (item->>'$.prorate.end')::boolean as prorate_end,
            item->>'$.product' as product_id, item->>'$.list_price' as list_price_id,
            item->>'$.from_plan' as plan_id,
            nullif((item->'$.modifiers')::varchar, 'null') as modifiers,
            case item->>'$.cadence' when 'quarterly' then 3 else
                coalesce((item->>'$.cadence.every')::bigint, 1) end as cadence_every,
            coalesce(item->>'$.cadence.unit', case item->>'$.cadence' when 'daily' then 'day'
                when 'weekly' then 'week' when 'yearly' then 'year' else 'month' end
            ) as cadence_unit,
            (item->>'$.from')::date as from_on, (item->>'$.until')::date as until_on,
            (item->'$.usage_of')::varchar as usage_of
        from (
            select
                doc_id as contract_id, slot_from, slot_to, version_seq,
                unnest((content->'$.items')::json[]) as item
            from book.slots where kind = 'contract'
        )""",
    # One row per contract slot, item and later quantity.
    "item_quantities": """
        select contract_id, slot_from, item_id, (entry->>'$.from')::date as from_on,
            coalesce(epoch(cast(entry->>'$.time' as time)), 0)::bigint as at_seconds,
            (entry->>'$.quantity')::decimal(38, 12) as quantity
        from (
            select contract_id, slot_from, item->>'$.id' as item_id,
                unnest((item->'$.quantities')::json[]) as entry
            from contract_entries where (item->'$.quantities') is not null
        )""",
    # One row per contract slot, item and later price.
    "item_prices": """
        select contract_id, slot_from, item_id, (entry->>'$.from')::date as from_on,
            coalesce(epoch(cast(entry->>'$.time' as time)), 0)::bigint as at_seconds,
            entry->>'$.price.model' as price_model, (entry->'$.price')::varchar as price
        from (
            select contract_id, slot_from, item->>'$.id' as item_id,
                unnest((item->'$.prices')::json[]) as entry
            from contract_entries where (item->'$.prices') is not null
        )""",
    # One row per contract and pause.
    "pauses": """
        select contract_id, (entry->>'$.from')::date as from_on,
            (entry->>'$.until')::date as until_on,
            coalesce((entry->>'$.extend')::boolean, false) as is_extended
        from (
            select doc_id as contract_id, unnest((content->'$.pauses')::json[]) as entry
            from latest where kind = 'contract' and (content->'$.pauses') is not null
        )""",
    # One row per contract slot and phase; pauses that extend the contract move the days.
    "phases": """
        select contract_id, slot_from, phase_no, entry->>'$.id' as phase_id,
            (entry->>'$.from')::date as from_on,
            coalesce((entry->>'$.free')::boolean, false) as is_free,
            coalesce((entry->>'$.covers_usage')::boolean, false) as covers_usage,
            coalesce((entry->>'$.reanchor')::boolean, false) as is_reanchored
        from phase_entries""",
    # One row per contract slot, phase and item that the phase names.
    "phase_items": """
        select contract_id, slot_from, phase_no, item_id,
            (terms->>'$.quantity')::decimal(38, 12) as quantity,
            terms->>'$.price.model' as price_model, (terms->'$.price')::varchar as price,
            coalesce((terms->>'$.charged')::boolean, true) as is_charged
        from (
            select contract_id, slot_from, phase_no, item_id, entry->'$.items'->item_id as terms
            from (
                select *, unnest(json_keys(entry->'$.items')) as item_id from phase_entries
            )
        )""",
    # One row per contract that has an end, as it was written: what happens then.
    "renewals": """
        select
            doc_id as contract_id, coalesce(content->>'$.renewal.kind', 'none') as renewal_kind,
            (content->>'$.start')::date as start_on, (content->>'$.end')::date as end_on,
            (content->>'$.renewal.term.every')::bigint as term_every,
            content->>'$.renewal.term.unit' as term_unit,
            coalesce((content->>'$.renewal.notice_days')::bigint, 0) as notice_days,
            (content->>'$.renewal.declined_on')::date as declined_on,
            (content->>'$.renewal.max_terms')::bigint as max_terms,
            (content->>'$.renewal.percentage')::decimal(38, 12) as percentage,
            (content->>'$.renewal.cap')::decimal(38, 12) as cap,
            (content->>'$.renewal.floor')::decimal(38, 12) as floor
        from latest where kind = 'contract' and (content->>'$.end') is not null""",
    # One row per contract and index that its renewals follow.
    "renewal_indexes": """
        select contract_id, (entry->>'$.from')::date as from_on,
            (entry->>'$.percentage')::decimal(38, 12) as percentage
        from (
            select doc_id as contract_id, unnest((content->'$.renewal.index')::json[]) as entry
            from latest
            where kind = 'contract' and contains(content::varchar, '"index":')
                and (content->'$.renewal.index') is not null
        )""",
    # One row per contract and change of its anchor day.
    "anchor_changes": """
        select contract_id, entry->>'$.item' as item_id, (entry->>'$.from')::date as changed_on,
            (entry->>'$.anchor_day')::bigint as anchor_day
        from (
            select doc_id as contract_id, unnest((content->'$.anchor_changes')::json[]) as entry
            from latest where kind = 'contract' and (content->'$.anchor_changes') is not null
        )""",
}


# What renewals and pauses settle the ends of contracts from.
SETTLED = {"contracts", "renewals", "renewal_indexes", "pauses", "phases"}
# What a document says of the parties is what held on its date.
DATED = ("entities", "terms", "customers")


def flatten(db: duckdb.DuckDBPyConnection, only: Collection[str] = tuple(TABLES)) -> None:
    """Make the tables of `TABLES` in schema `book`, or some, from `facts.book_versions`."""
    db.execute("create schema if not exists book")
    db.execute(SLOTS)
    db.execute(
        f"create or replace temp view latest as select * from book.slots where slot_to = {FOREVER}"
    )
    db.execute(ENTRIES)
    db.execute(PHASES)
    for name in only:
        db.execute(f"create or replace table book.{name} as {TABLES[name]}")
    if {"contracts", "contract_items"}.issubset(only):
        once(db)
    if SETTLED.issubset(only):
        settle(db)


def change_dates(db: duckdb.DuckDBPyConnection) -> list[date]:
    """The days on which an entity, terms or a customer began to say something else, in order."""
    rows = db.execute(
        "select distinct slot_from from book.slots "
        f"where kind in ('entity', 'payment_terms', 'customer') and slot_from > {ALWAYS} order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def in_force(db: duckdb.DuckDBPyConnection, table: str, on: date) -> pl.DataFrame:
    """A table of DATED as it held on a day; before its first slot, what that slot says."""
    db.execute(
        f"""
        create or replace temp view in_force as
        select * from book.slots
        where slot_from <= date '{on.isoformat()}' or slot_from = (
            select min(slot_from) from book.slots as first
            where first.kind = slots.kind and first.doc_id = slots.doc_id
        )
        qualify row_number() over (partition by kind, doc_id order by slot_from desc) = 1
        """
    )
    return db.sql(TABLES[table].replace("from latest", "from in_force")).pl()

-- Adds an invoice up again from the files beside this one: one row per claim. Run it with DuckDB.
with document as (
    select content.content as text, sha256(content.content) as digest, content.content::json as told
    from read_text('document.json') as content
),
events as (
    select *, sha256(to_json(one)::varchar) as digest
    from 'events.parquet' as one
),
chain as (
    -- Each link is the hash of the one before and of the next event; the first is the document's.
    select list_reduce(
        list_concat(
            [(select digest from document)],
            coalesce(list(digest order by line_no, occurred_at, source, event_id), [])
        ),
        lambda before, next: sha256(before || next)
    ) as link
    from events
),
-- claims
manifest as (select * from read_json('manifest.json')),
lines as (from 'lines.parquet'),
added as (
    select line_no, coalesce(sum(quantity) filter (not is_before), 0) as quantity
    from events group by line_no
),
stepped as (
    -- A step without an amount explains quantities; a line with none at all is told by its price.
    select line_no, sum(amount) as amount, bool_or(step in ('rounded', 'divided')) as is_changed
    from 'steps.parquet' group by line_no having count(amount) > 0
),
priced as (
    select line_no, step_no, amount, flat_amount, quantity::decimal(19, 9) as quantity,
        unit_amount::decimal(18, 9) as unit_amount
    from 'steps.parquet'
    where step in ('unit', 'tier', 'volume') and per is null and amount is not null
        and quantity = quantity::decimal(19, 9) and unit_amount = unit_amount::decimal(18, 9)
),
sums as (
    select sum(amount) as net, count(*) as lines,
        count(*) filter (desired is not null and desired - already_billed
            <> amount + coalesce(tax_included, 0)) as odd
    from lines
),
taxes as (select coalesce(sum(amount), 0) as tax from 'taxes.parquet'),
total as (
    select (told->>'$.net')::decimal(38, 18) as net,
        coalesce((told->>'$.tax_total')::decimal(38, 18), 0) as tax,
        (told->>'$.total')::decimal(38, 18) as total
    from document
)
select 'The document is the one of the manifest.' as claim, digest = document_sha256 as holds,
    document_sha256 as stated, digest as found
from document cross join manifest
union all
select 'The events are the ones of the manifest, in their order.', link = events_chain,
    events_chain, link
from chain cross join manifest
union all
select 'Every run before the one that issued the document is in the chain.',
    count(*) filter (previous_hash is not null and previous_hash not in (
        select content_hash from 'manifests.parquet'
    )) = 0 and count(*) filter (previous_hash is null) <= 1,
    null, count(*) || ' runs'
from 'manifests.parquet'
union all
select 'Lines that add up events have their sum as quantity.',
    count(*) filter (abs(lines.quantity - coalesce(added.quantity, 0)) > off_at_most) = 0,
    count(*) || ' lines',
    count(*) filter (abs(lines.quantity - coalesce(added.quantity, 0)) <= off_at_most) || ' lines'
from lines left join added using (line_no) where off_at_most is not null
union all
select 'Each step of a price is quantity times unit price, and its flat amount.',
    count(*) filter (amount <> quantity * unit_amount + coalesce(flat_amount, 0)) = 0,
    count(*) || ' steps',
    count(*) filter (amount = quantity * unit_amount + coalesce(flat_amount, 0)) || ' steps'
from priced
union all
select 'The steps of each line add up to its amount before rounding.',
    count(*) filter (stepped.amount <> lines.unrounded) = 0,
    count(*) || ' lines', count(*) filter (stepped.amount = lines.unrounded) || ' lines'
from lines join stepped using (line_no)
union all
select 'Lines that correct others bill what is due less what was billed.', odd = 0,
    lines || ' lines', lines - odd || ' lines'
from sums
union all
select 'The lines add up to the net amount.', sums.net = total.net, total.net::varchar,
    sums.net::varchar
from sums cross join total
union all
select 'The taxes add up to the tax.', taxes.tax = total.tax, total.tax::varchar, taxes.tax::varchar
from taxes cross join total
union all
select 'Net and tax are the total.', sums.net + taxes.tax = total.total, total.total::varchar,
    (sums.net + taxes.tax)::varchar
from sums cross join taxes cross join total

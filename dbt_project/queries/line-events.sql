-- Question: Which events are behind a line?
-- Row: event, in its newest version, that the run of the document knew in the window of the line
-- Parameter number (text, required): Number of a document.
-- Parameter line (integer, default 1): Place of the line on the document.
-- Column source: Logical source of the event.
-- Column event_id: Id of the event in its source.
-- Column occurred_at: UTC instant of the usage.
-- Column subject: Who used, in the words of the source.
-- Column value: Value of the meter's property as text, or 1 where events are counted; null without it.
-- Column filter: Filter of the meter, which the event may not pass; {} or null without one.
-- Column file: File that brought the event; null without one.
-- Column source_row: Row of that file, from 1; null without one.
-- Column batch_seq: Number of the commit that brought it.
with

line as (

    select
        lines.*,
        documents.known_at
    from facts.billed_lines as lines
    inner join facts.documents as documents on lines.document_id = documents.document_id
    where
        lines.number = $number
        and lines.line_no = cast(coalesce($line, '1') as bigint)

),

known as (

    select
        events.*,
        'p_' || coalesce(meters.property, '') as property,
        meters.filter,
        line.known_at,
        -- What a meter without a property counts.
        '1' as p_
    from facts.usage_events as events
    inner join line
        on
            events.customer_id = line.customer_id
            and events.batch_seq <= line.known_at
            and events.occurred_at >= line.window_start
            and events.occurred_at < line.window_end
    inner join book.meters as meters
        on
            line.meter_id = meters.meter_id
            and line.meter_version = meters.meter_version
            and events.event_type = meters.event_type
    where events.action is distinct from 'void'

),

newest as (

    select known.*
    from known
    anti join (
        select
            newer.replaces_seq,
            newer.replaces_row
        from facts.usage_events as newer
        cross join line
        where newer.batch_seq <= line.known_at
    ) as newer
        on
            known.batch_seq = newer.replaces_seq
            and known.row_no = newer.replaces_row

),

texts as (

    select
        source,
        event_id,
        occurred_at,
        subject,
        property,
        filter,
        source_row,
        batch_seq,
        cast(columns('^p_.*') as varchar)
    from newest

),

-- The column to read stands in the meter: each property becomes a row, and one row is kept.
valued as (

    select *
    from texts
    unpivot include nulls (value for read_property in (columns('^p_.*')))

)

select
    valued.source,
    valued.event_id,
    valued.occurred_at,
    valued.subject,
    valued.value,
    valued.filter,
    batches.name as file,
    valued.source_row,
    valued.batch_seq
from valued
left join (
    select distinct on (batch_seq, source)
        batch_seq,
        source,
        name
    from facts.batches
    order by batch_seq, source, row_no
) as batches
    on
        valued.batch_seq = batches.batch_seq
        and valued.source = batches.source
where valued.property = valued.read_property
order by valued.occurred_at, valued.source, valued.event_id

-- Question: Which days of usage is a line made of?
-- Row: local day with usage inside the window of the line
-- Parameter number (text, required): Number of a document.
-- Parameter line (integer, default 1): Place of the line on the document.
-- Column number: Number of the document.
-- Column line_no: Place of the line, from 1.
-- Column meter_id: Meter that counted.
-- Column local_day: Calendar day in zone.
-- Column zone: IANA zone of the contract.
-- Column quantity: Quantity of the day in the meter's unit, with usage that came since.
-- Column event_count: Events of the day, with those that came since.
select
    lines.number,
    lines.line_no,
    lines.meter_id,
    daily.local_day,
    daily.zone,
    cast(sum(daily.quantity) as decimal(38, 12)) as quantity,
    cast(sum(daily.event_count) as bigint) as event_count
from facts.billed_lines as lines
inner join usage.daily as daily
    on
        lines.customer_id = daily.customer_id
        and lines.meter_id = daily.meter_id
        and lines.meter_version = daily.meter_version
        and lines.zone = daily.zone
        and lines.window_start_on <= daily.local_day
        and lines.window_end_on > daily.local_day
where
    lines.number = $number
    and lines.line_no = cast(coalesce($line, '1') as bigint)
group by all
order by all

-- Question: What has been used, or agreed on, and is not billed yet?
-- Row: charge window that has begun and of which no document has billed anything
-- Parameter customer (text, default all): Customer id.
-- Column customer_id: Customer.
-- Column contract_id: Contract.
-- Column item_id: Item of the contract.
-- Column component: Part of the item, usage or fee.
-- Column window_start_on: First local day of the window.
-- Column window_end_on: First local day after the window.
-- Column state: open (not due yet), or due (a draft waits, or its contract is held back).
-- Column quantity: Quantity so far in unit, or number of fees.
-- Column unit: Unit of the meter; null for a fee.
-- Column event_count: Events so far; null for a fee.
-- Column due_amount: Rated amount of a due window, in currency; null while it is open.
-- Column currency: ISO 4217 code of the amount.
select
    windows.customer_id,
    windows.contract_id,
    windows.item_id,
    windows.component,
    windows.window_start_on,
    windows.window_end_on,
    case when desired.window_id is null and windows.due_on > run.through then 'open' else 'due' end
        as state,
    coalesce(determinants.quantity, windows.fixed_quantity) as quantity,
    meters.unit,
    determinants.event_count,
    desired.amount as due_amount,
    windows.currency
from billing.charge_windows as windows
cross join ops.run as run
left join usage.determinants as determinants on windows.window_id = determinants.window_id
left join book.meters as meters
    on
        windows.meter_id = meters.meter_id
        and windows.meter_version = meters.meter_version
left join billing.desired_lines as desired on windows.window_id = desired.window_id
anti join facts.billed_lines as billed on windows.window_id = billed.window_id
where
    windows.customer_id = coalesce($customer, windows.customer_id)
    and windows.window_start_on <= run.through
order by all

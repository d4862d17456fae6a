-- FOCUS 1.2: one row per line and per tax of the documents whose invoice date lies in the period.
-- Columns that a seller of usage has nothing to say of are there, as null.
with documents as (
    select *, content ->> '$.buyer.name' as buyer, content ->> '$.seller.legal_name' as seller
    from facts.documents
    where invoice_date >= $first and invoice_date < $until
        and ($customer is null or customer_id = $customer)
),
meters as (
    select doc_id as meter_id, arg_max(content ->> '$.unit', (batch_seq, row_no)) as unit
    from facts.book_versions where kind = 'meter' group by doc_id
),
lines as (
    select lines.*, documents.buyer, documents.seller, documents.customer_id as account_id,
        documents.kind, documents.number as invoice_id, meters.unit,
        -- A correction bills a difference: its quantity is what the whole window used.
        not lines.is_correction as is_regular,
        case when lines.price_model = 'per_unit' and (lines.price ->> '$.per') = '1'
            and not lines.is_correction
            then cast(lines.price ->> '$.unit_amount' as decimal(38, 18))
        end as unit_price
    from facts.billed_lines as lines
    join documents using (document_id)
    left join meters on meters.meter_id = lines.meter_id
),
sorted as (
    select *,
        case
            when role = 'usage' then 'Usage'
            when role in ('fee', 'service_fee', 'credit_sale', 'voucher_sale', 'one_off')
                then 'Purchase'
            when role in ('credit', 'voucher') then 'Credit'
            else 'Adjustment'
        end as category,
        -- Only where the product is exactly the amount is there one unit price.
        case when unit_price::decimal(19, 9) = unit_price and quantity::decimal(19, 9) = quantity
            and unit_price::decimal(19, 9) * quantity::decimal(19, 9) = amount_unrounded
            and tax_included is null
            then unit_price
        end as contracted_price
    from lines
),
charges as (
    select
        amount as BilledCost, account_id as BillingAccountId, buyer as BillingAccountName,
        currency as BillingCurrency, category as ChargeCategory,
        case when not is_regular then 'Correction' end as ChargeClass,
        item_description as ChargeDescription,
        case
            when category = 'Usage' then 'Usage-Based'
            when role in ('credit_sale', 'voucher_sale', 'one_off', 'credit', 'voucher', 'manual')
                then 'One-Time'
            else 'Recurring'
        end as ChargeFrequency,
        window_end as ChargePeriodEnd, window_start as ChargePeriodStart,
        case when category = 'Usage' and is_regular then quantity end as ConsumedQuantity,
        case when category = 'Usage' and is_regular then coalesce(unit, 'Unit') end as ConsumedUnit,
        case when contracted_price is null then amount else amount_unrounded end as ContractedCost,
        contracted_price as ContractedUnitPrice,
        -- Money that is bought pays for what comes: its cost is told by that.
        case when role in ('credit_sale', 'voucher_sale', 'voucher') then 0 else amount end as EffectiveCost,
        invoice_id as InvoiceId, seller as InvoiceIssuerName,
        case when category in ('Usage', 'Purchase') then 'Standard' end as PricingCategory,
        case when category in ('Usage', 'Purchase') and is_regular
            then coalesce(quantity, 1) end as PricingQuantity,
        case when category in ('Usage', 'Purchase') and is_regular
            then coalesce(unit, 'Unit') end as PricingUnit,
        coalesce(meter_id, item_description, item_id) as ServiceName, item_id as SkuId,
        meter_id as SkuMeter, contract_id || '/' || item_id || '/' || version_seq as SkuPriceId,
        case when price is not null then price end as SkuPriceDetails,
        case when customer_id <> account_id then customer_id end as SubAccountId,
        nullif(dimensions, '{}') as Tags, line_no as place, kind, line_key
    from sorted
),
taxes as (
    select documents.*, unnest(json_extract(documents.content, '$.tax[*]')) as charged
    from documents
),
charged_taxes as (
    select
        cast(charged ->> '$.amount' as decimal(38, 18)) as BilledCost, customer_id as BillingAccountId,
        buyer as BillingAccountName, currency as BillingCurrency, 'Tax' as ChargeCategory,
        null as ChargeClass,
        concat_ws(' ', coalesce(charged ->> '$.name', 'Tax'), charged ->> '$.rate', charged ->> '$.reason')
            as ChargeDescription,
        'One-Time' as ChargeFrequency, null as ConsumedQuantity, null as ConsumedUnit,
        null as ContractedUnitPrice, number as InvoiceId, seller as InvoiceIssuerName,
        coalesce(charged ->> '$.name', 'Tax') as ServiceName, 1000000 as place, kind
    from taxes
),
both_kinds as (
    select * from charges
    union all by name
    select *, BilledCost as ContractedCost, BilledCost as EffectiveCost,
        $first::timestamp at time zone 'UTC' as ChargePeriodStart,
        $until::timestamp at time zone 'UTC' as ChargePeriodEnd
    from charged_taxes
)
select
    null::varchar as AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName,
    'Customer' as BillingAccountType, BillingCurrency,
    $until::timestamp at time zone 'UTC' as BillingPeriodEnd,
    $first::timestamp at time zone 'UTC' as BillingPeriodStart,
    null::varchar as CapacityReservationId, null::varchar as CapacityReservationStatus,
    ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd,
    ChargePeriodStart, null::varchar as CommitmentDiscountCategory,
    null::varchar as CommitmentDiscountId, null::varchar as CommitmentDiscountName,
    null::decimal(38, 18) as CommitmentDiscountQuantity,
    null::varchar as CommitmentDiscountStatus, null::varchar as CommitmentDiscountType,
    null::varchar as CommitmentDiscountUnit, ConsumedQuantity, ConsumedUnit, ContractedCost,
    ContractedUnitPrice, EffectiveCost, InvoiceId, InvoiceIssuerName, ContractedCost as ListCost,
    ContractedUnitPrice as ListUnitPrice, PricingCategory, BillingCurrency as PricingCurrency,
    ContractedUnitPrice as PricingCurrencyContractedUnitPrice,
    EffectiveCost as PricingCurrencyEffectiveCost,
    ContractedUnitPrice as PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit,
    InvoiceIssuerName as ProviderName, InvoiceIssuerName as PublisherName,
    null::varchar as RegionId, null::varchar as RegionName, null::varchar as ResourceId,
    null::varchar as ResourceName, null::varchar as ResourceType, 'Other' as ServiceCategory,
    ServiceName, 'Other (Other)' as ServiceSubcategory, SkuId, SkuMeter, SkuPriceDetails,
    SkuPriceId, SubAccountId, SubAccountId as SubAccountName,
    case when SubAccountId is not null then 'Customer' end as SubAccountType, Tags,
    kind as x_DocumentKind, line_key as x_LineKey
from both_kinds
order by BillingAccountId, InvoiceId, place, x_LineKey

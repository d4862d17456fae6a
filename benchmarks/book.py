"""The book of the benchmark, recorded as `apply` would, without writing and reading its YAML."""

from collections.abc import Sequence

from meterhouse.lake import Commit, Lake
from meterhouse.run.applying import apply_book

SELLER = """
kind: entity
id: seller
legal_name: Bench Inc
address: {line1: 1 Street, city: Town, country: US}
base_currency: USD
zone: UTC
approval: automatic
---
{kind: payment_terms, id: net30, net_days: 30}
"""
TYPE = """
---
kind: event_type
id: type_{n}
properties: {{quantity: {{type: decimal, decimals: 6}}, region: {{type: string}},
  model: {{type: string}}}}
---
{{kind: meter, id: meter_{n}, event_type: type_{n}, unit: unit, {measures}}}
"""
SUM = "aggregation: sum, property: quantity"
# Five ways of measuring: three that days add up to, two that need the events of the window.
MIXED = (
    SUM,
    "aggregation: count, filter: \"region in ('region-1', 'region-2', 'region-3')\"",
    "aggregation: weighted_sum, property: quantity",
    "aggregation: max, property: quantity",
    "aggregation: unique_count, property: model",
)
CUSTOMER = """
---
kind: customer
id: customer_0
name: Customer 0
tax: {treatment: out_of_scope, reason: benchmark}
---
kind: contract
id: contract_0
customer: customer_0
entity: seller
currency: USD
zone: ZONE_0
start: 2026-10-01
payment_terms: net30
items:
"""
PER_UNIT = """
  - {{id: item_{n}, description: Item {n}, meter: {meter}, timing: arrears,
     price: {{model: per_unit, unit_amount: "0.000123"}}}}
"""
GRADUATED = """
  - {{id: item_{n}, description: Item {n}, meter: {meter}, timing: arrears,
     price: {{model: graduated, tiers: [{{up_to: "1000", unit_amount: "0.0003"}},
       {{up_to: "100000", unit_amount: "0.0002"}}, {{up_to: null, unit_amount: "0.0001"}}]}}}}
"""
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Europe/Berlin")
COPIES = """
select kind, regexp_replace(doc_id, '_0$', '_' || i) as doc_id, valid_from,
    replace(replace(replace(content, 'customer_0', 'customer_' || i),
        'contract_0', 'contract_' || i), 'Customer 0', 'Customer ' || i) as content,
    sha256(replace(replace(replace(content, 'customer_0', 'customer_' || i),
        'contract_0', 'contract_' || i), 'Customer 0', 'Customer ' || i)) as content_sha256
from lake.facts.book_versions, range(1, $customers) given(i)
where kind in ('customer', 'contract')
order by kind, i
"""


def write_book(
    lake: Lake, customers: int, items: int, types: int, meters: Sequence[str] = (SUM,)
) -> None:
    """A seller, `types` meters, and customers with one contract of `items` usage items each."""
    folder = lake.settings.book
    folder.mkdir(parents=True, exist_ok=True)
    text = SELLER + "".join(
        TYPE.format(n=n, measures=meters[n % len(meters)]) for n in range(types)
    )
    text += CUSTOMER.replace("ZONE_0", ZONES[0])
    for n in range(items):
        text += (GRADUATED if n % 2 else PER_UNIT).format(n=n, meter=f"meter_{n % types}")
    (folder / "book.yaml").write_text(text)
    apply_book(lake)
    with lake.session() as db:
        db.execute("set variable zones = ?", [list(ZONES)])

        def write(commit: Commit) -> None:
            zoned = (
                "select * replace (case when kind = 'contract' then replace(content, "
                '\'"zone":"UTC"\', \'"zone":"\' || getvariable(\'zones\')'
                "[1 + cast(regexp_extract(doc_id, '[0-9]+$') as integer) % 4] || '\"') "
                f"else content end as content) from ({COPIES})"
            )
            commit.append("book_versions", zoned, {"customers": customers})

        lake.commit(db, write)

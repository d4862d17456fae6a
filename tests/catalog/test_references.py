from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.catalog.overlaps import Claim, collisions
from meterhouse.catalog.plan import Version
from meterhouse.catalog.references import check


def contract(id="k", item="price: {model: flat, amount: 5}", **changes):
    fields = {
        "customer": "contoso",
        "entity": "acme-ai",
        "currency": "USD",
        "zone": "UTC",
        "start": "2024-01-01",
        "payment_terms": "net30",
        **changes,
    }
    lines = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"kind: contract\nid: {id}\n{lines}items:\n- {{id: i, description: d, {item}}}\n"


def usage(meter, unit_amount='"1"'):
    return f"meter: {meter}, price: {{model: per_unit, unit_amount: {unit_amount}}}"


def meter(id="m", **changes):
    fields = {"event_type": "llm_request", "aggregation": "count", "unit": "u", **changes}
    return f"kind: meter\nid: {id}\n" + "".join(f"{k}: {v}\n" for k, v in fields.items())


def event_type(id, properties):
    return f"kind: event_type\nid: {id}\nproperties: {{{properties}}}\n"


def customer(id, *lines):
    return "\n".join([f"kind: customer\nid: {id}\nname: N", *lines, ""])


def entity(id, **changes):
    fields = {
        "legal_name": "E",
        "address": "{line1: a, city: b, country: DE}",
        "base_currency": "EUR",
        "zone": "Europe/Berlin",
        **changes,
    }
    return f"kind: entity\nid: {id}\n" + "".join(f"{k}: {v}\n" for k, v in fields.items())


SUM = {"aggregation": "sum"}
EVENT = event_type(
    "e",
    "region: {type: string, values: [eu, us]}, ok: {type: boolean}, gib: {type: decimal}, "
    "action: {type: string}, tokens: {type: integer, path: usage.tokens.input}",
)
FINE = {
    "the example alone": [],
    "a fee": [contract()],
    "two entities in two currencies": [entity("eu"), contract(entity="eu", currency="EUR")],
    "a later price of one contract": [
        contract(item=usage("m")),
        contract(valid_from="2024-05-01", item=usage("m", "2")),
        meter(),
    ],
    "one meter read by contracts that follow each other": [
        contract("k1", item=usage("m"), end="2024-06-01"),
        contract("k2", item=usage("m"), start="2024-06-01"),
        meter(),
    ],
    "one meter read for two customers": [
        contract("k1", item=usage("m")),
        contract("k2", item=usage("m"), customer="other"),
        customer("other"),
        meter(),
    ],
    "an alias that changes hands": [
        customer("a", "aliases: [{value: x, until: 2024-01-01}]"),
        customer("b", "aliases: [{value: x, from: 2024-01-01}]"),
    ],
    "an external id given up by a later slot": [
        customer("a", "external_id: x"),
        customer("a", "valid_from: 2024-01-01"),
        customer("b", "valid_from: 2024-01-01", "external_id: x"),
    ],
    "an alias that repeats the own id": [customer("a", "external_id: a", "aliases: [{value: a}]")],
    "a filter on a text": [
        event_type("e", "region: {type: string}, ok: {type: boolean}"),
        meter(event_type="e", filter="{region: [eu, us], ok: [true]}"),
    ],
    "a property shared in one type": [event_type("e", "context_tokens: {type: integer}")],
    "every aggregation": [
        EVENT,
        *(
            meter(f"m-{kind}", event_type="e", aggregation=kind, property="gib")
            for kind in ("sum", "min", "max", "avg", "latest", "weighted_sum", "prorated_sum")
        ),
        meter("p", event_type="e", aggregation="percentile", property="gib", percentile="'0.95'"),
        meter("u", event_type="e", aggregation="unique_count", property="region"),
        meter(
            "r",
            event_type="e",
            aggregation="prorated_unique_count",
            property="region",
            operation="action",
            recurring="true",
        ),
    ],
    "a filter as a text": [EVENT, meter(event_type="e", filter="\"region = 'eu' or gib > 1.5\"")],
    "dimensions of three types": [EVENT, meter(event_type="e", dimensions="[region, ok, tokens]")],
    "a quotient of finer values": [
        event_type("e", "bytes: {type: decimal, decimals: 9}"),
        meter(event_type="e", **SUM, property="bytes", convert="{divide: 3}"),
    ],
    "a sum made coarser by whole tens": [
        event_type("e", "gib: {type: decimal, decimals: 9}"),
        meter(event_type="e", **SUM, property="gib", convert="{multiply: 1000}"),
    ],
    "a rounding that keeps the scale": [
        meter(decimals=12, round="{places: 2}"),
        contract(item=usage("m", '"0.0000000001"')),
    ],
    "a shadow beside its meter": [
        EVENT,
        meter(event_type="e"),
        meter("m2", event_type="e", shadow_of="m", filter="\"region = 'eu'\""),
    ],
    "a scale of 18 together": [
        meter(decimals=12),
        contract(item=usage("m", '"0.000001"')),
    ],
}


@pytest.mark.parametrize("case", FINE)
def test_the_book_holds_together_with(case, book):
    assert check(book(more="---\n".join(FINE[case]))) == []


REFUSED = {
    "an unknown customer": ([contract(customer="contso")], "did you mean `contoso`?"),
    "an unknown payer": ([contract(payer="nobody")], "`payer` names customer 'nobody'"),
    "an unknown entity": ([contract(entity="acme")], "`entity` names entity 'acme'"),
    "unknown terms": ([contract(payment_terms="net3")], "did you mean `net30`?"),
    "an unknown meter": ([contract(item=usage("mtr"))], "`items[0].meter` names meter 'mtr'"),
    "an unknown event type": ([meter(event_type="llm")], "`event_type` names event_type 'llm'"),
    "a customer that begins later": (
        [customer("late", "valid_from: 2024-02-01"), contract(customer="late")],
        "valid only from 2024-02-01",
    ),
    "another currency": ([contract(currency="EUR")], "keeps its books in USD"),
    "a property typed in two ways": (
        [event_type("e", "context_tokens: {type: string}")],
        "is integer, but string in more.yaml:1",
    ),
    "a property with other decimals": (
        [event_type("e", "x: {type: decimal}"), event_type("f", "x: {type: decimal, decimals: 2}")],
        "is decimal with 2 decimals, but decimal with 6 decimals in more.yaml:1",
    ),
    "a missing property": (
        [meter(**SUM, property="context_token")],
        "did you mean `context_tokens`?",
    ),
    "a sum of text": (
        [
            event_type("e", "region: {type: string}"),
            meter(**SUM, event_type="e", property="region"),
        ],
        "property 'region' is string; sum needs an integer or decimal",
    ),
    "a sum that would be rounded": (
        [
            event_type("e", "gib: {type: decimal, decimals: 9}"),
            meter(**SUM, event_type="e", property="gib"),
        ],
        "has 9 decimals, but the meter keeps only 6; the quantity would be rounded. Set `decimals`",
    ),
    "a filter on a number": (
        [meter(filter="{context_tokens: ['1']}")],
        "`context_tokens = '1'` compares property 'context_tokens', which is integer, with a text",
    ),
    "a filter on nothing": (
        [meter(filter="{contxt_tokens: [a]}")],
        "does not have; did you mean 'context_tokens'?",
    ),
    "a filter on what a property never is": (
        [EVENT, meter(event_type="e", filter="\"region = 'ue'\"")],
        "the filter asks whether 'region' is 'ue', which is none of its `values`; valid are "
        "`eu`, `us`.",
    ),
    "a filter that no event can pass": (
        [EVENT, meter(event_type="e", filter='"gib > 2 and gib < 1"')],
        "the filter matches no event",
    ),
    "a dimension of decimals": (
        [EVENT, meter(event_type="e", dimensions="[gib]")],
        "dimension 'gib' is decimal with 6 decimals",
    ),
    "an unknown dimension": (
        [EVENT, meter(event_type="e", dimensions="[regoin]")],
        "event type 'e' has no property 'regoin'; did you mean `region`?",
    ),
    "an operation that is no text": (
        [
            EVENT,
            meter(event_type="e", aggregation="unique_count", property="gib", operation="ok"),
        ],
        "`operation` 'ok' is boolean; it must be a string property",
    ),
    "an operation that cannot remove": (
        [
            EVENT,
            meter(event_type="e", aggregation="unique_count", property="gib", operation="region"),
        ],
        "`values` without 'remove'",
    ),
    "a conversion that needs more decimals": (
        [
            event_type("e", "gib: {type: decimal, decimals: 9}"),
            meter(event_type="e", **SUM, property="gib", convert="{multiply: 10}", decimals=7),
        ],
        "has 8 decimals after its conversion, but the meter keeps only 7",
    ),
    "a shadow of nothing": ([meter("m2", shadow_of="context-token")], "did you mean `context-tok"),
    "a shadow of itself": ([meter(shadow_of="m")], "`shadow_of` names itself"),
    "a shadow of a shadow": (
        [
            meter("m2", shadow_of="context-tokens", unit="token"),
            meter("m3", shadow_of="m2", unit="token"),
        ],
        "names meter 'm2', which is a shadow itself",
    ),
    "a shadow in another unit": (
        [meter("m2", shadow_of="context-tokens")],
        "`unit` is 'u', but 'token' in meter 'context-tokens' (usage.yaml:",
    ),
    "a shadow of another event type": (
        [EVENT, meter("m2", event_type="e", unit="token", shadow_of="context-tokens")],
        "`event_type` is 'e', but 'llm_request' in meter 'context-tokens'",
    ),
    "a shadow that is billed": (
        [meter("m2", unit="token", shadow_of="context-tokens"), contract(item=usage("m2"))],
        "item 'i' reads meter 'm2', which runs beside 'context-tokens' and is never billed",
    ),
    "a property read at two places": (
        [event_type("e", "x: {type: string, path: a.b}"), event_type("f", "x: {type: string}")],
        "property 'x' is read at 'x', but read at 'a.b' in more.yaml:1",
    ),
    "a scale of 19 together": (
        [meter(decimals=12), contract(item=usage("m", '"0.0000001"'))],
        "more than 18",
    ),
    "a list price beyond the scale": (
        [meter(decimals=12, list_price='{currency: USD, unit_amount: "0.0000001"}')],
        "list_price: the price has 7 decimals",
    ),
    "a contract that moves to another zone": (
        [contract(), contract(valid_from="2024-05-01", zone="Europe/Berlin")],
        "`zone` is 'Europe/Berlin', but 'UTC' in more.yaml:1",
    ),
    "a contract that starts twice": (
        [contract(), contract(valid_from="2024-05-01", start="2024-02-01")],
        "`start` is 2024-02-01, but 2024-01-01",
    ),
    "a contract whose newer document says another minimum of its whole life": (
        [contract(), contract(valid_from="2024-05-01", modifiers='{minimum: {amount: "9"}}')],
        "`modifiers` is",
    ),
    "an item that turns to another cadence": (
        [
            contract(),
            contract(
                valid_from="2024-05-01", item="cadence: yearly, price: {model: flat, amount: 5}"
            ),
        ],
        "`items[0].cadence` of item 'i' differs from that of an earlier date",
    ),
    "a contract that nothing describes at its start": (
        [contract(valid_from="2024-01-02")],
        "its earliest `valid_from` (2024-01-02) is after its `start` (2024-01-01)",
    ),
    "an entity that changes its currency": (
        [entity("eu"), entity("eu", valid_from="2024-01-01", base_currency="USD")],
        "`base_currency` is 'USD', but 'EUR'",
    ),
    "one meter billed twice for a customer": (
        [contract(item=usage("context-tokens"))],
        "which item 'context' of contract 'contoso-2023' (contoso.yaml:8) also reads",
    ),
    "two customers with one alias": (
        [
            customer("a", "aliases: [{value: x, until: 2024-01-02}]"),
            customer("b", "aliases: [{value: x, from: 2024-01-01}]"),
        ],
        "alias 'x' also names customer 'a' (more.yaml:1) from 2024-01-01",
    ),
    "an alias that is another customer's id": (
        [customer("b", "aliases: [{value: contoso, from: 2030-01-01}]")],
        "'contoso' also names customer 'contoso'",
    ),
    "two customers with one external id": (
        [customer("a", "external_id: x"), customer("b", "external_id: x")],
        "`external_id` 'x' also names customer 'a'",
    ),
}


SAID = {
    "region: {type: string, path: place}": "is read at 'place', but was recorded as read at",
    "region: {type: boolean}": "is boolean, but was recorded as string",
    "region: {type: decimal, decimals: 2}": "is decimal with 2 decimals, but was recorded as",
}


def versions(*texts, book):
    """The documents as if they were recorded one after another."""
    found = [one for text in texts for one in book(more=text) if one.path == "more.yaml"]
    return [
        Version(*one.slot, one.content, "", batch_seq=number) for number, one in enumerate(found, 1)
    ]


@pytest.mark.parametrize("properties", SAID)
def test_a_recorded_property_keeps_its_type_and_its_path(properties, book):
    recorded = versions(event_type("e", "region: {type: string}"), book=book)
    (fault,) = check(book(more=event_type("e", properties)), recorded)
    assert SAID[properties] in fault


def test_a_property_that_was_left_out_for_a_while_keeps_its_type(book):
    recorded = versions(event_type("e", "x: {type: string}"), event_type("e", ""), book=book)
    (fault,) = check(book(more=event_type("e", "x: {type: integer}")), recorded)
    assert "is integer, but was recorded as string" in fault


def test_a_property_may_say_its_own_name_as_path_and_gain_values(book):
    recorded = versions(event_type("e", "x: {type: string}"), book=book)
    same = "x: {type: string, path: x, values: [a], required: false}, y: {type: string, path: a.b}"
    assert check(book(more=event_type("e", same)), recorded) == []


@pytest.mark.parametrize("case", REFUSED)
def test_the_book_is_refused_for(case, book):
    texts, sentence = REFUSED[case]
    found = check(book(more="---\n".join(texts)))
    assert len(found) == 1, found
    assert sentence in found[0]


def test_one_meter_read_twice_in_one_contract_is_refused(book):
    item = f"{usage('m')}}}\n- {{id: j, description: d, {usage('m')}"
    (fault,) = check(book(more=meter() + "---\n" + contract(item=item)))
    assert "item 'j' reads meter 'm'" in fault


DAYS = st.integers(0, 12).map(lambda n: date(2024, 1, 1) + timedelta(days=n))
CLAIMS = st.lists(st.tuples(DAYS, DAYS, st.sampled_from("abc")), max_size=8)


@given(CLAIMS)
def test_a_contested_day_is_always_found(spans):
    claims = [Claim(("x",), start, end, (owner,), "", "") for start, end, owner in spans]
    contested = any(
        max(one.start, two.start) < min(one.end, two.end) and one.owner != two.owner
        for one in claims
        for two in claims
        if one.start < one.end and two.start < two.end
    )
    found = list(collisions(claims))
    assert bool(found) == contested
    assert all(max(a.start, b.start) < min(a.end, b.end) and a.owner != b.owner for a, b in found)

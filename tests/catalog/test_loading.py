import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.catalog.fields import exact, plain
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import canonical, load_folder
from meterhouse.catalog.yaml_text import parse
from meterhouse.errors import BookFault

TERMS = "kind: payment_terms\nid: net30\nnet_days: 30\n"
CUSTOMER = "kind: customer\nid: c\nname: C\n"


def test_the_example_book_loads_with_places_and_all_defaults(book):
    documents = {(one.kind, one.id): one for one in book()}
    contract = documents["contract", "contoso-2023"]
    assert (contract.path, contract.line, contract.valid_from) == ("contoso.yaml", 8, None)
    assert contract.content["payer"] == "contoso"
    assert contract.content["anchor_day"] == 1
    assert contract.content["end"] is None
    assert contract.content["start"] == "2023-11-01"
    assert contract.content["items"][0]["price"] == {
        "model": "per_unit",
        "unit_amount": "3",
        "per": "1000000",
    }
    assert not {"kind", "id", "valid_from"} & contract.content.keys()


def test_content_read_again_gives_the_same_content(book):
    for one in book():
        stored = json.loads(canonical_json(one.content))
        assert canonical(KINDS[one.kind].model_validate(stored)) == one.content


def test_a_customer_has_every_optional_field_in_its_content(load):
    (customer,) = load(CUSTOMER + "valid_from: 2024-02-29\naliases: [{value: x}]\n")
    assert customer.valid_from == date(2024, 2, 29)
    assert customer.content == {
        "name": "C",
        "external_id": None,
        "aliases": [{"value": "x", "from": None, "until": None}],
        "address": None,
        "email": None,
        "tax_ids": [],
        "locale": None,
        "tax": None,
        "usage_without_contract": "allow",
    }


def test_a_yaml_float_keeps_its_literal_text_and_loses_only_zeros(load):
    (customer,) = load(CUSTOMER + "tax: {treatment: taxed, rate: 0.10}\n")
    assert customer.content["tax"]["rate"] == "0.1"
    text = CUSTOMER + "tax: {treatment: taxed, rate: 0.123456789012}\n"
    assert load(text)[0].content["tax"]["rate"] == "0.123456789012"


def test_norway_is_no_boolean(load):
    (one,) = load(CUSTOMER + "address: {line1: Gate 1, city: Oslo, country: NO}\n")
    assert one.content["address"]["country"] == "NO"


def test_a_postal_code_keeps_its_leading_zero(load):
    text = CUSTOMER + "address: {line1: a, city: Dresden, postal_code: 01067, country: DE}\n"
    assert load(text)[0].content["address"]["postal_code"] == "01067"


def test_all_faults_of_all_files_are_told_at_once(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text(TERMS + "net_dys: 3\n---\nkind: custmer\nid: x\n")
    (tmp_path / "sub" / "b.yml").write_text("kind: customer\nid: c\nname: [\n")
    with pytest.raises(BookFault) as caught:
        load_folder(tmp_path)
    unknown_key, unknown_kind, syntax = caught.value.faults
    assert unknown_key == (
        "a.yaml:4: payment_terms 'net30': unknown key 'net_dys'; did you mean `net_days`?"
    )
    assert unknown_kind == "a.yaml:6: unknown kind 'custmer'; did you mean `customer`?"
    assert syntax.startswith("sub/b.yml:4: is not YAML: while parsing a flow node")


def test_documents_before_a_syntax_error_are_checked_too(faults):
    first, second = faults("kind: payment_terms\nid: n\nnet_days: -1\n---\na: b: c\n")
    assert first.startswith("a.yaml:3: payment_terms 'n': `net_days` is wrong")
    assert second.startswith("a.yaml:5: is not YAML")


def test_an_unknown_key_deep_inside_names_its_line_and_its_neighbour(faults):
    (fault,) = faults("""\
        kind: contract
        id: k
        customer: c
        entity: e
        currency: USD
        zone: UTC
        start: 2024-01-01
        payment_terms: t
        items:
          - id: i
            description: d
            meter: m
            price:
              model: per_unit
              unit_amount: "1"
              pre: "1000"
        """)
    assert fault == (
        "a.yaml:16: contract 'k': unknown key 'items[0].price.pre'; did you mean `per`?"
    )


def test_a_misspelt_header_key_is_named(faults):
    (fault,) = faults(TERMS + "valid_form: 2024-01-01\n")
    assert fault.endswith("unknown key 'valid_form'; did you mean `valid_from`?")


def test_the_same_slot_twice_names_both_places(faults):
    (fault,) = faults(TERMS + "---\n" + TERMS)
    assert fault == (
        "a.yaml:5: payment_terms 'net30' is already given in a.yaml:1; keep one of the two."
    )


def test_the_same_slot_twice_is_told_although_its_content_is_faulty(faults):
    found = faults(TERMS + "x: 1\n---\n" + TERMS + "x: 1\n")
    assert len(found) == 3
    assert "already given in a.yaml:1" in found[2]


def test_two_dates_of_one_id_are_two_slots(load):
    assert len(load(TERMS + "---\n" + TERMS + "valid_from: 2024-01-01\n")) == 2


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a duplicate key": (TERMS + "net_days: 10\n", "'net_days' is already given in line 3"),
    "an anchor bomb": (BOMB, "anchors repeat more than"),
    "an anchor that holds itself": ("kind: &a [*a]\n", "nested deeper than"),
    "a deep nest": ("[" * 100 + "]" * 100, "nested deeper than"),
    "a very deep nest": ("[" * 20000, "nested too deeply"),
    "a tag": ("kind: !!python/object:os.system x\n", "is not allowed"),
    "a list": ("- a\n", "must be a mapping"),
    "a text": ("hello\n", "must be a mapping"),
    "a missing kind": ("id: x\n", "the key `kind` is missing"),
    "a missing id": ("kind: payment_terms\nnet_days: 1\n", "the key `id` is missing"),
    "a bad id": (TERMS.replace("net30", "'a b'"), "`id` is wrong"),
    "an id with a line break": (TERMS.replace("net30", '"a\\n"'), "`id` is wrong"),
    "an unreal date": (TERMS + "valid_from: 2023-02-30\n", "`valid_from`"),
    "a number as text": (CUSTOMER.replace("name: C", "name: 5"), "write it in quotes"),
    "a control character": (CUSTOMER.replace("name: C", 'name: "a\\0b"'), "U+0000"),
    "a raw control character": ("kind: customer\nid: a\x07\n", "a.yaml:2: the file holds a"),
    "a turned text": (CUSTOMER.replace("name: C", 'name: "a\\u202Eb"'), "U+202E"),
    "a half surrogate": (CUSTOMER.replace("name: C", 'name: "a\\ud800"'), "`name` is wrong"),
    "an empty text": (CUSTOMER.replace("name: C", 'name: ""'), "`name` is wrong"),
    "an exponent": (CUSTOMER + "tax: {treatment: taxed, rate: 1e-1}\n", "no exponent"),
    "not a number": (CUSTOMER + "tax: {treatment: taxed, rate: .nan}\n", "no exponent"),
    "a percentage": (CUSTOMER + "tax: {treatment: taxed, rate: 19}\n", "is a fraction"),
    "an exemption without reason": (CUSTOMER + "tax: {treatment: exempt}\n", "`reason` is needed"),
    "a boolean as a number": (TERMS.replace("30\n", "true\n"), "`net_days`"),
    "a huge number": (TERMS.replace("net_days: 30", "net_days: " + "9" * 5000), "`net_days`"),
    "other bytes than UTF-8": (b"kind: customer\nid: \xff\n", "line 2 is not UTF-8"),
    "a large file": (b"#" * (5 * 1024 * 1024 + 1), "larger than 5 MB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_loader_refuses(case, faults):
    text, sentence = REFUSED[case]
    found = faults(text)
    assert all(fault.startswith("a.yaml:") for fault in found)
    assert any(sentence in fault for fault in found), found


def test_a_fault_inside_a_list_does_not_make_the_list_faulty(faults):
    (fault,) = faults("""\
        kind: meter
        id: m
        event_type: e
        aggregation: count
        unit: call
        filter: {a: [1]}
        """)
    assert fault == (
        "a.yaml:6: meter 'm': `filter.a[0]` is a text (in quotes) or true or false (given: 1)."
    )


def test_faults_of_shape_are_told_in_words_of_the_file(faults):
    meter = "kind: meter\nid: m\nevent_type: e\naggregation: count\nunit: call\n"
    empty, other = faults(meter + "filter:\n  a: []\n  b: x\n")
    assert empty == "a.yaml:7: meter 'm': `filter.a` must not be empty (given: an empty list)."
    assert other == "a.yaml:8: meter 'm': `filter.b` must be a list (given: 'x')."


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("zone: Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("base_currency: US$", "no currency code of ISO 4217"),
        ("number_format: '{number}'", "must hold {year} and {number}"),
        ("number_format: '{year}{number:9999999d}'", "must hold {year} and {number}"),
        ("number_format: '{entity.__class__}{year}{number}'", "must hold {year}"),
        ("bank: {iban: DE89370400440532013001}", "check digits"),
        ("approval: auto", "'manual', 'automatic' or 'rules'"),
        ("locale: xx-YY", "no language tag of BCP 47 that is known"),
        ("locale: de_DE", "locale"),
        ("branding: {accent: red}", "accent"),
        ("branding: {logo: a/../../b.svg}", "must lie below the book's folder"),
        ("branding: {logo: /etc/logo.svg}", "logo"),
        ("branding: {logo: logo.gif}", "logo"),
        ("branding: {colour: '#112233'}", "colour"),
    ],
)
def test_an_entity_refuses(field, sentence, faults):
    name = field.partition(":")[0]
    good = {"zone": "zone: UTC\n", "base_currency": "base_currency: EUR\n"}
    good.pop(name, None)
    address = "address: {line1: a, city: b, country: DE}\n"
    text = f"kind: entity\nid: e\nlegal_name: E\n{address}{''.join(good.values())}{field}\n"
    (fault,) = faults(text)
    assert sentence in fault


def test_an_absent_folder_is_a_fault_with_a_sentence(tmp_path):
    with pytest.raises(BookFault, match="does not exist"):
        load_folder(tmp_path / "none")


def test_files_without_documents_hold_nothing(load):
    assert load("# only a comment\n---\n---\n") == []


def test_anchors_used_as_shorthand_are_written_out(load):
    one, two = load("""\
        kind: event_type
        id: e
        properties: {a: &count {type: integer}, b: *count}
        ---
        kind: event_type
        id: f
        properties: {c: {type: decimal}}
        """)
    assert one.content["properties"]["a"] == one.content["properties"]["b"]
    assert two.content["properties"]["c"] == {
        "type": "decimal",
        "decimals": 6,
        "digits": 18,
        "required": True,
        "path": None,
        "values": None,
    }


DECIMALS = st.decimals(-(10**14), 10**14, places=12, allow_nan=False, allow_infinity=False)


@given(DECIMALS)
def test_a_decimal_has_one_spelling_and_keeps_its_value(value):
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert plain(exact(text)) == plain(exact(text + ("0" if "." in text else ".00"))) == text


@pytest.mark.parametrize("value", [0.5, True, None, "1,5", "٣", " 1", "1\n", "1e3", "NaN", 10**15])
def test_what_is_not_an_exact_decimal_is_refused(value):
    with pytest.raises(ValueError, match="decimal"):
        exact(value)


@given(st.text())
def test_any_text_is_loaded_or_refused_with_sentences(text):
    for parsed in parse(text):
        assert all(line >= 1 and sentence for line, sentence in parsed.faults)


PIECES = st.sampled_from(
    [
        *("a", "b: ", "- ", "? ", "no", "yes", "0x1F", "012", "1_000", "1:30", "1.50", "~", "null"),
        *(
            "true",
            "2023-02-30",
            "2024-01-31",
            "=",
            "<<",
            "&x ",
            "*x",
            "!!str 5",
            "!!int '7'",
            "|\n",
        ),
        *(
            ">\n",
            "\n",
            "\n  ",
            "\n    ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "#c",
            " # c",
            '"q"',
            "'s'",
        ),
        *(
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\t",
            "\r\n",
            "\u0085",
            "\u2028",
            "\ufeff",
            "ü",
            "-1",
            "+0",
        ),
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_both_readers_of_yaml_find_the_same(text):
    fast = list(parse(text))
    with pytest.MonkeyPatch.context() as patched:
        patched.delattr("yaml.CSafeLoader")
        assert list(parse(text)) == fast

"""What differs between a document as it was approved and as it is."""

from meterhouse.invoicing.content_diff import Field, content_difference


def line(key, no, amount, **other):
    return {"line_key": key, "line_no": no, "amount": amount, "description": key.upper(), **other}


OLD = {
    "dates": {"due_date": "2025-11-01", "invoice_date": "2025-10-01"},
    "lines": [line("a", 1, "1.00"), line("b", 2, "2.00", meter={"id": "m", "version": 1})],
    "total": "3.00",
}


def test_equal_contents_have_no_difference():
    assert content_difference(OLD, OLD) == ((), ())


def test_lines_that_came_went_and_changed_are_told_apart_and_their_places_do_not_count():
    lines = [line("0", 1, "9.00"), line("b", 2, "2.50", meter={"id": "m", "version": 2})]
    found = content_difference(OLD, {**OLD, "lines": lines, "total": "11.50"})
    assert found.fields == (Field("total", "3.00", "11.50"),)
    assert [(one.change, one.line_key) for one in found.lines] == [
        ("came", "0"),
        ("went", "a"),
        ("changed", "b"),
    ]
    assert found.lines[2].fields == (
        Field("amount", "2.00", "2.50"),
        Field("meter.version", 1, 2),
    )
    assert found.lines[1].line["amount"] == "1.00"


def test_another_due_date_is_told_by_its_path():
    dates = {**OLD["dates"], "due_date": "2025-11-15"}
    assert content_difference(OLD, {**OLD, "dates": dates}).fields == (
        Field("dates.due_date", "2025-11-01", "2025-11-15"),
    )


def test_a_key_that_stands_twice_is_told_apart_by_its_turn():
    twice = {**OLD, "lines": [*OLD["lines"], line("a", 3, "5.00")]}
    (came,) = content_difference(OLD, twice).lines
    assert (came.change, came.line_key, came.line["amount"]) == ("came", "a", "5.00")


def test_lines_in_another_order_are_a_difference():
    turned = {**OLD, "lines": OLD["lines"][::-1]}
    assert content_difference(OLD, turned).fields == (Field("lines", ["a", "b"], ["b", "a"]),)

"""What docs/filters.md shows is what the language does."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meterhouse.metering.filter_holds import holds
from meterhouse.metering.filter_reading import MAX_NESTING, MAX_TERMS
from meterhouse.metering.filter_tree import conditions
from meterhouse.metering.filter_types import OPERATORS, faults
from meterhouse.metering.filters import (
    MAX_CHARACTERS,
    FilterError,
    from_values,
    parse,
)

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
TYPES = dict.fromkeys(("region", "city", "tier", "model", "in"), ("string", None))
TYPES |= {"is_paid": ("boolean", None), "cached": ("boolean", None)}
TYPES |= {"bytes": ("decimal", 6), "tokens": ("integer", None)}


def blocks(language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)


def rows(heading):
    """The cells of the table whose first heading is `heading`."""
    [table] = re.findall(rf"(?ms)^\| {heading} \|[^\n]*\n\|---[^\n]*\n(.*?)\n\n", PAGE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


def code(cell):
    return cell.strip("`")


WRITTEN = [code(first) for first, *_ in rows("written")]
MISSING = [(code(first), answers) for first, *answers in rows("filter")]
PROSE = re.findall(r"`([a-z\"_]+ (?:=|>|>=) (?:'(?:[^'`]|'')*'|[-0-9.]+))`", PAGE)


@pytest.mark.parametrize("written", [*blocks("filter"), *WRITTEN, *PROSE])
def test_each_example_is_a_filter_without_faults(written):
    assert faults(parse(written), TYPES) == []


def test_the_example_of_a_meter_is_a_filter_without_faults():
    [text] = blocks("yaml")
    assert faults(parse(YAML(typ="safe").load(text)["filter"]), TYPES) == []


def test_every_operator_has_an_example():
    shown = {one.operator for written in WRITTEN for one in conditions(parse(written).root)}
    known = {operator for operators in OPERATORS.values() for operator in operators}
    assert known - shown == {"<=", ">", ">="}
    assert "`<=`, `>`, `>=` likewise" in PAGE


def test_each_operator_is_for_the_types_that_the_table_names():
    for written, _, kinds in rows("written"):
        named = set(OPERATORS) if kinds == "all types" else set(filter(None, kinds.split(", ")))
        [one, *_] = conditions(parse(code(written)).root)
        if named:
            assert named == {kind for kind, known in OPERATORS.items() if one.operator in known}


@pytest.mark.parametrize(("written", "answers"), MISSING)
def test_the_table_of_missing_values_says_what_happens(written, answers):
    found = [holds(parse(written), {"tier": tier}) for tier in ("gold", "free", None)]
    assert ["yes" if one else "no" for one in found] == [one.strip("*") for one in answers]


@pytest.mark.parametrize("block", blocks("refused"))
def test_each_refusal_is_told_in_these_words(block):
    written, sentence = block.splitlines()
    with pytest.raises(FilterError) as found:
        parse(written)
    assert str(found.value) == sentence


def test_the_old_form_means_what_the_page_says():
    [(mapping, written)] = re.findall(r"`(\{.*?\})` means the same as `(.*?)`", PAGE)
    assert from_values(YAML(typ="safe").load(mapping)) == parse(written)


def test_the_equal_and_the_impossible_filters_of_the_page_are_so():
    assert "`tokens > 1.5` is the same as `tokens >= 2`" in PAGE
    [impossible] = re.findall(r"match no event, such as `([^`]*)`", PAGE)
    [fault] = faults(parse(impossible), TYPES)
    assert fault.startswith("the filter matches no event")


def test_the_bounds_are_those_of_the_parser():
    assert (
        f"at most {MAX_CHARACTERS} characters, {MAX_NESTING} levels of `not` and parentheses, "
        f"and {MAX_TERMS} values" in PAGE
    )

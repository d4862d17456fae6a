"""Random filters and events, made so that they often meet: few values, most of them awkward."""

from decimal import Decimal

from hypothesis import strategies as st

from meterhouse.catalog.fields import TURNING
from meterhouse.metering.filter_tree import And, Condition, Filter, Not, Or, Value

TYPES = {
    "region": ("string", None),
    "not": ("string", None),
    "is_paid": ("boolean", None),
    "tokens": ("integer", None),
    "bytes": ("decimal", 6),
    "share": ("decimal", 12),
}
AWKWARD = ["", "a", "ab", "b", "ba", "A", "'", "''", "a'b", '"', "\\", "\\'", "%", "_", "--", "/*"]
AWKWARD += ["é", "e\u0301", "🦆", "ß", "ſ", " a", "NULL", "1", "true", "'); drop table events; --"]
# What a document of the book refuses and an event may carry.
UNSEEN = ["\0", "a\0b", "\n", "'\0'", "\u2028", "\u202e"]
MOST = 10**18 - 1


signs = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=TURNING)
visible = st.sampled_from(AWKWARD) | st.text(signs, max_size=4)
texts = visible | st.sampled_from(UNSEEN) | st.text(max_size=4)


def numbers(places):
    """Decimals of exactly so many places: near zero, or near the largest a property can hold."""
    near = st.integers(-3, 3) | st.sampled_from([MOST, -MOST, MOST - 1, 1 - MOST, 10**12])
    return near.map(lambda steps: Decimal(f"{steps}e-{places}"))


literals = (
    st.integers(0, 25).flatmap(numbers)
    | st.integers(-(10**45), 10**45).map(Decimal)
    | st.sampled_from(["0.5", "1", "1.0000000000000000000000000000000001", "-0.1"]).map(Decimal)
)


def values(kind, of_text):
    if kind == "string":
        return of_text.map(lambda text: Value("text", text))
    if kind == "boolean":
        return st.booleans().map(lambda truth: Value("boolean", truth))
    return literals.map(lambda number: Value("decimal", number))


def conditions(name, of_text):
    kind = TYPES[name][0]
    single = {"string": ["=", "!=", "starts with", "ends with", "contains"], "boolean": ["=", "!="]}
    operators = single.get(kind, ["=", "!=", "<", "<=", ">", ">="])
    one = values(kind, of_text)
    return (
        st.builds(Condition, st.just(name), st.sampled_from(operators), st.tuples(one))
        | st.builds(
            Condition,
            st.just(name),
            st.sampled_from(["in", "not in"]),
            st.lists(one, min_size=1, max_size=4).map(tuple),
        )
        | st.builds(Condition, st.just(name), st.sampled_from(["is missing", "is present"]))
    )


def filters(of_text=texts, names=tuple(TYPES)):
    leaves = st.sampled_from(names).flatmap(lambda name: conditions(name, of_text))
    several = st.integers(2, 4)

    def joined(parts):
        lists = several.flatmap(lambda size: st.tuples(*[parts] * size))
        return lists.map(And) | lists.map(Or) | parts.map(Not)

    return st.recursive(leaves, joined, max_leaves=8).map(Filter)


@st.composite
def events(draw, types=TYPES):
    """Values of one event: for each property a value of its type, or None."""
    by_type = {"string": texts, "boolean": st.booleans()}
    return {
        name: draw(st.none() | by_type.get(kind, numbers(decimals or 0)))
        for name, (kind, decimals) in types.items()
    }

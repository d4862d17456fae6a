"""Why a text is no filter, as a sentence with the column and what was expected there."""

from collections.abc import Set
from typing import TYPE_CHECKING

from meterhouse.metering.filter_grammar import KEYWORDS
from meterhouse.nearest import did_you_mean

if TYPE_CHECKING:
    from lark import Token

OPERATORS = ("in", "not in", "starts with", "ends with", "contains", "is missing", "is present")
JOINS = ("and", "or")
# What stands in other languages, and what is written here.
SPELLINGS = {
    "==": "=",
    "eq": "=",
    "equals": "=",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "&&": "and",
    "||": "or",
    "!": "not",
    "like": "contains",
    "ilike": "contains",
    "null": "missing",
    "exists": "is present",
    "between": ">= … and … <=",
}


class FilterError(ValueError):
    """A text that is no filter; `reason` is the sentence without its subject and its full stop."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The filter {reason}{'' if reason.endswith('?') else '.'}")


def unreadable(text: str, token: "Token", accepts: Set[str]) -> FilterError:
    """The error for a token that the parser, which accepts these terminals, cannot use."""
    hint = _hint(token, accepts)
    found = "it ends" if token.type == "$END" else f"{_shown(token)} stands"
    return FilterError(
        f"cannot be read at {where(text, token)}: {found} where {_expected(accepts)} "
        f"is expected{hint}"
    )


def where(text: str, token: "Token") -> str:
    """Column from 1, and the line where there are several."""
    start = len(text) if token.type == "$END" else token.start_pos or 0
    before = text[:start]
    column = f"column {start - (before.rfind(chr(10)) + 1) + 1}"
    return f"line {before.count(chr(10)) + 1}, {column}" if "\n" in text else column


def _shown(token: "Token") -> str:
    if not token.isprintable() or token == "`":
        return f"the sign U+{ord(token[0]):04X}" if len(token) == 1 else ascii(str(token))
    return f"`{token}`" if len(token) <= 40 else f"`{token[:37]}...`"


def _expected(accepts: Set[str]) -> str:
    """What may stand at a place of the grammar, in words."""
    end = "the end" if "$END" in accepts else "`)`"
    named = {
        "NAME": "the name of a property, `not` or `(`",
        "NUMBER": "a value ('text', 100.5, true or false)",
        "TEXT": "a text in single quotes",
        "COMPARISON": "an operator (=, !=, <, <=, >, >=, " + ", ".join(OPERATORS) + ")",
        "_AND": f"`and`, `or` or {end}",
        "_MISSING": "`missing` or `present`",
        "_WITH": "`with`",
        "_IN": "`in`",
        "_COMMA": "`,` or `)`",
        "_OPEN": "`(`",
    }
    return next((words for name, words in named.items() if name in accepts), "the end")


def _hint(token: "Token", accepts: Set[str]) -> str:
    word = str(token).lower()
    if word == "'":
        return "; a text begins there and does not end: close it with ', and write '' for a '"
    if "NUMBER" in accepts or "TEXT" in accepts:
        return _hint_for_a_value(token)
    if "NAME" in accepts and token.type != "WRONG":
        return _hint_for_a_name(token)
    if word in SPELLINGS:
        return f"; write `{SPELLINGS[word]}`"
    if token.type == "_NOT" and "_MISSING" in accepts:
        return "; write `is present`"
    if token.type == "_COMMA" and "_AND" in accepts:
        return "; a number has no separators"
    if "_IN" in accepts and "COMPARISON" not in accepts:
        return "; any other `not` stands before the comparison: not (a starts with 'x')"
    known = OPERATORS if "COMPARISON" in accepts else JOINS if "_AND" in accepts else ()
    return did_you_mean(word, known)


def _hint_for_a_value(token: "Token") -> str:
    if token.type == "_CLOSE":
        return "; a list has one or more values, with commas between them"
    if token.type == "QUOTED":
        return _in_single_quotes(token)
    if token.lower() == "null":
        return "; write `is missing`"
    if token.type == "UNKNOWN" and token[0] in "+-.0123456789":
        return "; a number has digits and one point, no exponent and no separators: -100.5"
    is_word = token.type in {"NAME", "UNKNOWN", "NUMBER"} and token.isprintable()
    return _in_single_quotes(token) if is_word else ""


def _in_single_quotes(token: str) -> str:
    bare = token.strip('"`´“”„‘’').replace("'", "''")
    return f"; a text stands in single quotes: '{bare}'"


def _hint_for_a_name(token: "Token") -> str:
    if token.type in {"TEXT", "NUMBER"}:
        return "; the property stands on the left of the operator, the value on the right"
    if token.lower() in KEYWORDS:
        return f'; a property that is named like a keyword stands in double quotes: "{token}"'
    if token.type == "UNKNOWN":
        return "; a name has up to 48 small letters, digits and _, and begins with a letter"
    return ""

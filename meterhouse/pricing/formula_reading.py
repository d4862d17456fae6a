"""From the text of a formula to its tree, with lark; nothing of it is ever run as code."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args
from lark.exceptions import VisitError

from meterhouse.nearest import did_you_mean
from meterhouse.pricing.formula_tree import (
    FUNCTIONS,
    ROUNDING,
    WORDS,
    Arithmetic,
    Call,
    Comparison,
    Condition,
    If,
    Joined,
    Name,
    Negative,
    Not,
    Number,
    Value,
)

MAX_CHARACTERS = 2000
MAX_NESTING = 32
MAX_SIGNS = 300
PLACES = 12
GRAMMAR = r"""
?value: choice | sum
choice: _IF condition _THEN value _ELSE value
?sum: product | sum (PLUS | MINUS) product -> arithmetic
?product: signed | product (TIMES | OVER) signed -> arithmetic
?signed: atom | MINUS signed -> negative
?atom: NUMBER -> number
    | NAME -> name
    | _OPEN value _CLOSE
    | NAME _OPEN value (_COMMA value)* _CLOSE -> call
    | _IF _OPEN condition _COMMA value _COMMA value _CLOSE -> choice

?condition: both | condition _OR both -> either
?both: negated | both _AND negated -> all_of
?negated: comparison | _NOT negated -> not_held | _OPEN condition _CLOSE
comparison: sum COMPARISON sum

_IF.2: /if\b/i
_THEN.2: /then\b/i
_ELSE.2: /else\b/i
_AND.2: /and\b/i
_OR.2: /or\b/i
_NOT.2: /not\b/i
COMPARISON: /!=|<=|>=|=|<|>/
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
_OPEN: "("
_CLOSE: ")"
_COMMA: ","
NAME: /[a-z][a-z0-9_]{0,47}(?![A-Za-z0-9_.])/
NUMBER: /[0-9]{1,15}(\.[0-9]{1,12})?(?![A-Za-z0-9_.])/

%ignore /[ \t\r\n]+/
"""
# What stands in other languages, and what is written here.
_SPELLINGS = {
    "==": "=", "<>": "!=", "=>": ">=", "=<": "<=", "&&": "and", "||": "or", "!": "not",
    "^": "*", "**": "*", "?": "if … then … else …", "%": "* 0.01",
}  # fmt: skip
_SIGNS = re.compile(r"==|<>|&&|\|\||\*\*|[A-Za-z_][\w.]*|[0-9][\w.]*|.")


class FormulaError(ValueError):
    """A text that is no formula, as a sentence."""


@lru_cache(maxsize=1000)
def read(text: str) -> Value:
    """The tree of a formula, or FormulaError with a sentence that says where and why."""
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(
            f"The formula has {len(text)} characters, more than {MAX_CHARACTERS}; use a price with "
            "tiers or a matrix for what is a table."
        )
    try:
        tokens = list(_parser().lex(text))
        _check_size(text, tokens)
        found: Value = _Tree(text).transform(_parsed(text, tokens))
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedCharacters as error:
        raise _unreadable(text, error.pos_in_stream or 0, set()) from None
    return found


def _parsed(text: str, tokens: Sequence[Token]) -> Any:
    """The tree of the tokens; the first one that does not fit is told."""
    automaton = _parser().parse_interactive()
    for number, token in enumerate([*tokens, Token("$END", "")]):
        try:
            tree = automaton.feed_token(token)
        except UnexpectedToken:
            at = len(text.rstrip()) if token.type == "$END" else token.start_pos or 0
            raise _unreadable(text, at, _accepted(tokens[:number])) from None
    return tree


def _accepted(tokens: Sequence[Token]) -> set[str]:
    """The terminals that may follow the tokens; asked anew, as in metering/filter_reading.py."""
    automaton = _parser().parse_interactive()
    for token in tokens:
        automaton.feed_token(token)
    accepted: set[str] = automaton.accepts()  # type: ignore[no-untyped-call]
    return accepted


@cache
def _parser() -> Lark:
    """LALR: linear in the text, and a grammar that could be read in two ways is refused."""
    return Lark(GRAMMAR, start="value", parser="lalr", lexer="basic", g_regex_flags=re.ASCII)


def _check_size(text: str, tokens: Sequence[Token]) -> None:
    """Refuse what would be deep recursion for us and for the engine."""
    if len(tokens) > MAX_SIGNS:
        raise FormulaError(
            f"The formula has {len(tokens)} numbers, names and signs, more than {MAX_SIGNS}; use a "
            "price with tiers or a matrix for what is a table."
        )
    depth = run = 0
    for token in tokens:
        depth += {"_OPEN": 1, "_CLOSE": -1}.get(token.type, 0)
        run = run + 1 if token.type in ("MINUS", "_NOT") else 0
        if depth + run > MAX_NESTING:
            raise FormulaError(
                f"The formula is nested deeper than {MAX_NESTING} levels at "
                f"{_where(text, token.start_pos or 0)}; leave out parentheses that change nothing."
            )


def _where(text: str, at: int) -> str:
    line, start = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at) + 1
    column = f"column {at - start + 1}"
    return f"line {line}, {column}" if "\n" in text else column


def _unreadable(text: str, at: int, accepts: set[str]) -> FormulaError:
    match = _SIGNS.match(text, at)
    sign = match[0] if match else ""
    shown = f"`{sign}`" if sign.isprintable() else "a sign that cannot be printed"
    found = f"{shown} stands" if sign else "it ends"
    return FormulaError(
        _sentence(
            text, at, f"{found} where {_expected(accepts)} is expected{_hint(sign, text, at)}"
        )
    )


def _sentence(text: str, at: int, why: str) -> str:
    end = "" if why.endswith("?") else "."
    return f"The formula cannot be read at {_where(text, at)}: {why}{end}"


def _expected(accepts: set[str]) -> str:
    """What may stand at a place of the grammar, in words."""
    if "NUMBER" in accepts:
        return "a number, a name, a function, `if` or `(`"
    if not accepts:
        return "a number, a name or one of + - * / ( ) , = != < <= > >="
    if accepts == {"_OPEN"}:
        return "`(`"
    words = {
        "PLUS": "one of + - * /", "COMPARISON": "a comparison (= != < <= > >=)",
        "_THEN": "`then`", "_ELSE": "`else`", "_AND": "`and`, `or`", "_COMMA": "`,`",
        "_CLOSE": "`)`", "$END": "the end",
    }  # fmt: skip
    return " or ".join(said for name, said in words.items() if name in accepts) or "the end"


def _hint(sign: str, text: str, at: int) -> str:
    said = next((one for one in (text[at - 1 : at] + sign, sign) if one in _SPELLINGS), None)
    if said is not None:
        return f"; write `{_SPELLINGS[said]}`"
    if sign[:1].isdigit():
        return "; a number has at most 15 digits, one point and 12 decimals, and no separators"
    if sign[:1].isalpha() and sign != sign.lower():
        return "; names have small letters, digits and _"
    if sign == "," and text[at - 1 : at].isdigit():
        return "; a number has a point and no separators: 1000.5"
    return did_you_mean(sign, WORDS) if sign.isalpha() else ""


@v_args(inline=True)
class _Tree(Transformer[Token, Value]):
    """One method per rule of the grammar; the depth is bounded before it is called."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def number(self, token: Token) -> Number:
        return Number(Decimal(token))

    def name(self, token: Token) -> Name:
        if token in FUNCTIONS:
            raise self._fault(token, f"`{token}` is a function: write `{token}(…)`")
        return Name(str(token))

    def negative(self, _: Token, value: Value) -> Negative:
        return Negative(value)

    def arithmetic(self, left: Value, operator: Token, right: Value) -> Arithmetic:
        return Arithmetic(str(operator), left, right)

    def call(self, token: Token, *values: Value) -> Call:
        if token not in FUNCTIONS:
            hint = did_you_mean(token, FUNCTIONS) or f"; there are {', '.join(sorted(FUNCTIONS))}"
            raise self._fault(token, f"there is no function `{token}`{hint}")
        least, most = FUNCTIONS[token]
        if not least <= len(values) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise self._fault(token, f"`{token}` takes {wanted} values, not {len(values)}")
        if token in ROUNDING and len(values) == 2:
            return Call(str(token), values[:1], self._places(token, values[1]))
        return Call(str(token), values)

    def _places(self, token: Token, value: Value) -> int:
        if not isinstance(value, Number) or value.value % 1 or value.value > PLACES:
            raise self._fault(
                token, f"the second value of `{token}` is how many decimals stay: 0 to {PLACES}"
            )
        return int(value.value)

    def choice(self, condition: Condition, then: Value, otherwise: Value) -> If:
        return If(condition, then, otherwise)

    def comparison(self, left: Value, operator: Token, right: Value) -> Comparison:
        return Comparison(str(operator), left, right)

    def either(self, left: Condition, right: Condition) -> Joined:
        return Joined("or", left, right)

    def all_of(self, left: Condition, right: Condition) -> Joined:
        return Joined("and", left, right)

    def not_held(self, condition: Condition) -> Not:
        return Not(condition)

    def _fault(self, token: Token, why: str) -> FormulaError:
        return FormulaError(_sentence(self._text, token.start_pos or 0, why))

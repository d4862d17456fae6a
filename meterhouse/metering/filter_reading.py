"""From the text of a filter to its tree, with lark."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import cast

from lark import Lark, Token, Transformer, UnexpectedToken, v_args

from meterhouse.catalog.fields import printable
from meterhouse.metering.filter_errors import FilterError, unreadable, where
from meterhouse.metering.filter_grammar import GRAMMAR
from meterhouse.metering.filter_tree import And, Condition, Filter, Node, Not, Operator, Or, Value

MAX_NESTING = 32
MAX_TERMS = 500
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
TERMS = {"TEXT", "NUMBER", "TRUE", "FALSE", "_MISSING", "_PRESENT"}


def read(text: str) -> Filter:
    """The filter that a text of bounded length says, or FilterError."""
    tokens = list(_parser().lex(text))
    _check_terms(tokens)
    _check_nesting(text, tokens)
    for token in tokens:
        _check_sign(text, token)
    return _tree(text, tokens)


def _tree(text: str, tokens: Sequence[Token]) -> Filter:
    """The tree of the tokens; the first one that does not fit is told."""
    automaton = _parser().parse_interactive(start="filter")
    for number, token in enumerate([*tokens, Token("$END", "")]):
        try:
            tree = automaton.feed_token(token)
        except UnexpectedToken:
            raise unreadable(text, token, _accepted(tokens[:number])) from None
    found: Filter = _Tree().transform(tree)
    return found


def _accepted(tokens: Sequence[Token]) -> set[str]:
    """The terminals that may follow the tokens.

    Asked anew: the automaton that failed has already closed what the wrong token cannot continue,
    and would say that only the end is expected.
    """
    automaton = _parser().parse_interactive(start="filter")
    for token in tokens:
        automaton.feed_token(token)
    accepted: set[str] = automaton.accepts()  # type: ignore[no-untyped-call]
    return accepted


@cache
def _parser() -> Lark:
    """LALR: linear in the text, and a grammar that could be read in two ways is refused."""
    return Lark(
        GRAMMAR,
        start=["filter", "unknown"],
        parser="lalr",
        lexer="basic",
        # Without it the letters ſ and ı would be taken for s and i in keywords.
        g_regex_flags=re.ASCII,
    )


def _check_terms(tokens: Sequence[Token]) -> None:
    count = sum(token.type in TERMS for token in tokens)
    if count > MAX_TERMS:
        raise FilterError(
            f"has {count} values to compare with, more than {MAX_TERMS}; filter "
            "by a property that says the same in fewer words"
        )


def _check_nesting(text: str, tokens: Sequence[Token]) -> None:
    """Refuse what would be deep recursion for us and for the engine.

    Each open parenthesis is a level and so is each `not` until its comparison begins; `outer`
    keeps how many `not` stand before every open parenthesis. That of a list is no level.
    """
    outer: list[int] = []
    pending = 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "_NOT":
            pending += 1
        elif token.type == "_OPEN":
            is_list = before is not None and before.type == "_IN"
            outer.append(-1 if is_list else pending)
            pending = 0
        else:
            pending = 0
            if token.type == "_CLOSE" and outer:
                outer.pop()
        if len(outer) + sum(outer) + pending > MAX_NESTING:
            raise FilterError(
                f"is nested deeper than {MAX_NESTING} levels at {where(text, token)}; "
                "leave out parentheses that change nothing"
            )


def _check_sign(text: str, token: Token) -> None:
    """Refuse what a person who reads the filter could not see."""
    if token.type == "QUOTED" and not NAME.fullmatch(token[1:-1]):
        raise FilterError(
            f"cannot be read at {where(text, token)}: double quotes stand around names of "
            "properties, which have up to 48 small letters, digits and _; a text stands in "
            "single quotes"
        )
    if token.type == "TEXT":
        try:
            printable(token)
        except ValueError as error:
            reason = str(error).partition(";")[0]
            raise FilterError(
                f"cannot be read at {where(text, token)}: the text {reason}; remove it"
            ) from None


@v_args(inline=True)
class _Tree(Transformer[Token, Filter]):
    """One method per rule of the grammar; the depth is bounded before it is called."""

    def filter(self, root: Node | Token) -> Filter:
        return Filter(None if isinstance(root, Token) else root)

    def some_hold(self, *parts: Node) -> Or:
        return Or(parts)

    def all_hold(self, *parts: Node) -> And:
        return And(parts)

    def not_held(self, part: Node) -> Not:
        return Not(part)

    def compared(self, name: str, operator: Token, value: Value) -> Condition:
        return Condition(name, cast(Operator, str(operator)), (value,))

    def listed(self, name: str, *values: Value) -> Condition:
        return Condition(name, "in", values)

    def not_listed(self, name: str, *values: Value) -> Condition:
        return Condition(name, "not in", values)

    def starts_with(self, name: str, value: Value) -> Condition:
        return Condition(name, "starts with", (value,))

    def ends_with(self, name: str, value: Value) -> Condition:
        return Condition(name, "ends with", (value,))

    def contains(self, name: str, value: Value) -> Condition:
        return Condition(name, "contains", (value,))

    def is_missing(self, name: str) -> Condition:
        return Condition(name, "is missing")

    def is_present(self, name: str) -> Condition:
        return Condition(name, "is present")

    def name(self, token: Token) -> str:
        return token.strip('"')

    def text(self, token: Token) -> Value:
        return Value("text", token[1:-1].replace("''", "'"))

    def number(self, token: Token) -> Value:
        return Value("decimal", Decimal(token))

    def truth(self, token: Token) -> Value:
        return Value("boolean", token.lower() == "true")

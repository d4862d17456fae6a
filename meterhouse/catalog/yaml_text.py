"""From YAML text to plain values with their lines; nothing is guessed and nothing is run.

Plain numbers with a point stay text ("0.10" keeps its zero and never becomes a float), numbers with
leading zeros stay text (postal codes), and `no` is the text "no".
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml as libyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

TAG = "tag:yaml.org,2002:"
KNOWN_TAGS = {
    TAG + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")
}
WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Nodes of either reader.
SCALARS = (ScalarNode, libyaml.ScalarNode)
SEQUENCES = (SequenceNode, libyaml.SequenceNode)
# What the two readers read otherwise: line breaks of YAML 1.1, tabs, marks, blocks of text, ends of
# documents and directives.
READ_OTHERWISE = re.compile(
    r"[\t\r\x85\u2028\u2029\ufeff]|[|>][-+0-9]*[ ]*(#.*)?$|^\.\.\.|^%", re.MULTILINE
)
MAX_DEPTH = 32
MAX_REPEATS = 10_000

Path = tuple[str | int, ...]


@dataclass
class Parsed:
    """One YAML document: its value, the line of each key and list entry, and its faults."""

    line: int
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)


class _Unreadable(Exception):
    """A document that is given up; holds the line and the sentence."""


def parse(text: str) -> Iterator[Parsed]:
    """Each document of the text; a syntax error gives one last document that has only a fault."""
    nodes = _compose(text)
    while True:
        try:
            node = next(nodes)
        except StopIteration:
            return
        except (YAMLError, RecursionError) as error:
            line, sentence = _syntax_fault(error, text)
            yield Parsed(line, faults=[(line, sentence)])
            return
        if node.tag != TAG + "null":
            yield _read(node)


def _compose(text: str) -> Iterator[Node]:
    """The nodes of each document, by libyaml where it can; the other reader tells what is wrong.

    Both tell only where values are and which text they have: what a text means is decided here.
    """
    fast = getattr(libyaml, "CSafeLoader", None)
    if fast is not None and not READ_OTHERWISE.search(text):
        with suppress(libyaml.YAMLError):
            yield from list(libyaml.compose_all(text, fast))
            return
    yaml = YAML(typ="safe", pure=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # An anchor name used again is legal; the last one holds.
        yield from yaml.compose_all(text)


def _syntax_fault(error: Exception, text: str) -> tuple[int, str]:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, "the file holds a control character; remove it."
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        return (mark.line + 1 if mark else 1), f"is not YAML: {reason}."
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return 1, f"is not YAML: {reason}."


def _read(node: Node) -> Parsed:
    parsed = Parsed(_line(node))
    try:
        parsed.value = _Reader(parsed).value(node, ())
    except _Unreadable as given_up:
        line, sentence = given_up.args
        parsed.faults.append((line, sentence))
    return parsed


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Walks the nodes of one document; counts repeats, so that anchors cannot multiply it."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._seen: set[int] = set()
        self._repeats = 0

    def value(self, node: Node, path: Path) -> Any:
        self._count(node, path)
        if node.tag not in KNOWN_TAGS:
            self._fault(node, f"the tag {node.tag!r} is not allowed; write the value alone.")
            return None
        if isinstance(node, SCALARS):
            return _scalar(node)
        if isinstance(node, SEQUENCES):
            return self._list(node, path)
        return self._mapping(node, path)

    def _count(self, node: Node, path: Path) -> None:
        self._repeats += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeats > MAX_REPEATS or len(path) > MAX_DEPTH:
            raise _Unreadable(
                _line(node),
                f"the document is nested deeper than {MAX_DEPTH} levels or its anchors repeat "
                f"more than {MAX_REPEATS} values; write it out.",
            )

    def _fault(self, node: Node, sentence: str) -> None:
        self._parsed.faults.append((_line(node), sentence))

    def _list(self, node: SequenceNode, path: Path) -> list[Any]:
        for index, item in enumerate(node.value):
            self._parsed.lines[(*path, index)] = _line(item)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, SCALARS):
                self._fault(key_node, "a key must be a text.")
                continue
            key = str(key_node.value)
            if key in values:
                first = self._parsed.lines[(*path, key)]
                self._fault(key_node, f"the key {key!r} is already given in line {first}.")
                continue
            self._parsed.lines[(*path, key)] = _line(key_node)
            values[key] = self.value(value_node, (*path, key))
        return values


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    if node.style or node.tag == TAG + "str":
        return text
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if ISO_DATE.fullmatch(text):
        with suppress(ValueError):  # 2023-02-30 stays text; its field says what is wrong.
            return date.fromisoformat(text)
    return text

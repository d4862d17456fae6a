"""Write docs/data-dictionary.md from the words of the dbt project and the saved queries."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from meterhouse.cli.saved import Saved, saved_queries
from meterhouse.run.dbt import parsed
from meterhouse.run.descriptions import Described, descriptions
from meterhouse.settings import HomeFile, Settings

PAGE = Path(__file__).parents[1] / "docs" / "data-dictionary.md"
# In the order in which people look; private schemas (staging) are not listed.
SCHEMAS = {
    "reporting": "What to ask first: usage, documents and what is wrong.",
    "receivables": "What customers owe.",
    "accounting": "The books.",
    "usage": "What was used: aggregates of events, what may be charged for them, and local days.",
    "billing": "What contracts charge, what it costs and what is to be billed.",
    "book": "The book as tables: the newest version of each document.",
    "facts": "What happened, up to the batch that the run knew. Rows are only ever added.",
    "ops": "How the warehouse was built.",
}
MARK = "<!-- What follows is written by `make dictionary`. -->\n"


def page() -> str:
    """The whole page, as Markdown: what people wrote stays, what stands below the mark is new."""
    with TemporaryDirectory() as folder:
        settings = Settings(Path(folder), HomeFile())
        described = descriptions(parsed(settings))
        queries = saved_queries(settings)
    written = PAGE.read_text().partition(MARK)[0]
    parts = [*_queries(queries), *(line for name in SCHEMAS for line in _schema(name, described))]
    return written + MARK + "\n" + "\n".join(parts)


def _queries(queries: dict[str, Saved]) -> Iterator[str]:
    yield "## Saved queries"
    yield ""
    yield "`meterhouse sql --saved NAME --set parameter=value` runs one; `--json` explains it."
    yield ""
    yield "| name | question | one row per | takes |"
    yield "|---|---|---|---|"
    for one in queries.values():
        takes = "; ".join(_takes(given.name, given.default) for given in one.parameters)
        yield f"| `{one.name}` | {one.question} | {_cell(one.row)} | {takes} |"
    yield ""


def _takes(name: str, default: str | None) -> str:
    return f"`{name}`" if default is None else f"`{name}` (else {default})"


def _schema(schema: str, described: dict[tuple[str, str], Described]) -> Iterator[str]:
    yield f"## {schema}"
    yield ""
    yield SCHEMAS[schema]
    yield ""
    for (_, table), one in sorted(item for item in described.items() if item[0][0] == schema):
        yield f"### {schema}.{table}"
        yield ""
        yield one.text
        yield ""
        yield "| column | type | meaning |"
        yield "|---|---|---|"
        for column, text in one.columns.items():
            yield f"| `{column}` | {one.types[column]} | {_cell(text)} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"Wrote {PAGE}.\n")

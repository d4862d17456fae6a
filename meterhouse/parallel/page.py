"""Reports as one HTML page each: no scripts, nothing from elsewhere, every text escaped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def page(report: Mapping[str, Any]) -> bytes:
    """The comparison of a month as UTF-8; equal input gives equal bytes."""
    return _rendered("report.html.j2", r=report)


def pilot_page(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """The success criteria as UTF-8: a row of texts for each, of which the one under `met` is yes
    where it is met."""
    met = sum(row[heads.index("met")] == "yes" for row in rows)
    return _rendered("pilot.html.j2", heads=heads, rows=rows, met=met)


def _rendered(template: str, **values: Any) -> bytes:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values).encode()

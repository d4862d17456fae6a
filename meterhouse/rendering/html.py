"""A document as one HTML page: no scripts, nothing from elsewhere, every text escaped."""

import base64
from dataclasses import asdict
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from meterhouse.rendering.presentation import Logo
from meterhouse.rendering.printable import Printable

TEMPLATES = Path(__file__).parent / "templates"
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def html(document: Printable, logo: Logo | None = None) -> bytes:
    """The page as UTF-8; equal input gives equal bytes."""
    source = None if logo is None else _data_address(logo)
    return _template().render(d={**asdict(document), "logo": source}).encode()


def _data_address(logo: Logo) -> str:
    # As an image, an SVG runs no script and loads nothing.
    return f"data:{MEDIA_TYPES[logo.kind]};base64,{base64.b64encode(logo.data).decode()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("invoice.html.j2")

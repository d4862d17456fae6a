"""A document as PDF/A-3 and PDF/UA-1, by Typst from a template that is given data and no text."""

import importlib.util
import json
import re
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst

from meterhouse.errors import MeterhouseError, UsageError
from meterhouse.rendering.facturx import FILE_NAME, as_facturx
from meterhouse.rendering.presentation import Logo
from meterhouse.rendering.printable import Printable

TEMPLATES = Path(__file__).parent / "templates"
# Archivable and accessible; both refuse a character that no font has, where others print a box.
STANDARDS: list[Literal["a-3a", "ua-1"]] = ["a-3a", "ua-1"]
FONTS = (
    ("fontpkg_noto_sans", "files"),
    ("fontpkg_noto_sans_arabic", "files"),
    ("cvttf_NotoSansCJK_Regular", ""),
)
UNPRINTABLE = re.compile(r"the text \"?(.+?)\"? could not be displayed", re.DOTALL)


class Unprintable(MeterhouseError):
    """A document that cannot be made into a page."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} was not printed: {reason}.")


def pdf(document: Printable, logo: Logo | None = None, einvoice: bytes | None = None) -> bytes:
    """The document as PDF, with its e-invoice (CII) inside it as Factur-X if one is given.

    Its date is the invoice date, so equal input gives equal bytes.
    """
    issued_at = datetime.combine(date.fromisoformat(document.issued_on), time(), UTC)
    options = {"format": "pdf", "pdf_standards": STANDARDS, "timestamp": issued_at}
    compiled = _compiled(document, logo, einvoice, **options)
    if not isinstance(compiled, bytes):
        raise Unprintable(document.name, "Typst gave no PDF")
    return compiled if einvoice is None else as_facturx(compiled)


def pictures(document: Printable, logo: Logo | None = None, ppi: int = 96) -> list[bytes]:
    """The pages as PNG."""
    compiled = _compiled(document, logo, format="png", ppi=ppi)
    return compiled if isinstance(compiled, list) else [compiled]


def _compiled(
    document: Printable, logo: Logo | None, einvoice: bytes | None = None, **options: Any
) -> Any:
    attached = {"name": FILE_NAME, "text": einvoice.decode()} if einvoice else None
    told = {**asdict(document), "logo": _embedded(logo), "einvoice": attached}
    data = json.dumps(told, ensure_ascii=False)
    try:
        return _compiler().compile(sys_inputs={"document": data}, **options)
    except typst.TypstError as error:
        raise Unprintable(document.name, _reason(error)) from error


def _embedded(logo: Logo | None) -> dict[str, Any] | None:
    if logo is None:
        return None
    if logo.kind == "svg":
        return {"kind": "svg", "text": logo.data.decode()}
    return {"kind": "png", "octets": list(logo.data)}


def _reason(error: "typst.TypstError") -> str:
    found = UNPRINTABLE.search(error.message)
    if found is None:
        return error.message
    shown = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in dict.fromkeys(found[1]))
    return (
        f"no font has the character {shown}. Nothing of it was written; write the name or text "
        "that holds it in another way, or use the HTML"
    )


@cache
def _compiler() -> "typst.Compiler":
    """One for the process: fonts are read once, and a page takes a third of the time."""
    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[_folder(module).joinpath(sub) for module, sub in FONTS],
    )
    return typst.Compiler(
        TEMPLATES / "invoice.typ", root=TEMPLATES, font_paths=fonts, ignore_system_fonts=True
    )


def _folder(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UsageError(f"The fonts of {module} are not installed. Run `make setup`.")
    return Path(spec.origin).parent

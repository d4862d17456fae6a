"""What a renderer is given beside the document: how it should look, and what was paid."""

import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from meterhouse.errors import UsageError

DEFAULT_LOCALE = "en-US"
DEFAULT_ACCENT = "#1F4E79"
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
MAX_LOGO_BYTES = 500_000


@dataclass(frozen=True)
class Logo:
    """A picture; an SVG is UTF-8 text."""

    kind: Literal["svg", "png"]
    data: bytes


@dataclass(frozen=True)
class Presentation:
    """How the documents of a seller look, and in which locale its buyer reads them."""

    locale: str = DEFAULT_LOCALE
    accent: str = DEFAULT_ACCENT
    footer: str | None = None
    contact: tuple[str, ...] = ()
    logo: Logo | None = None

    def __post_init__(self) -> None:
        if not COLOUR.fullmatch(self.accent):
            raise UsageError(f"{self.accent!r} is no colour; write it as #RRGGBB.")


@dataclass(frozen=True)
class Payment:
    """What was paid of a document and is still due, in its currency, as of a day."""

    paid: Decimal
    due: Decimal
    as_of: date

    @classmethod
    def at_issue(cls, content: dict[str, Any]) -> "Payment | None":
        """Paid by prepaid credit and the balance alone; None while a draft's tax is not decided."""
        if content["total"] is None:
            return None
        issued_on = date.fromisoformat(content["dates"]["invoice_date"])
        paid = sum(
            (Decimal(content.get(name, 0)) for name in ("prepaid_applied", "balance_applied")),
            Decimal(0),
        )
        return cls(paid, Decimal(content["total"]) - paid, issued_on)


def presentation(
    branding: str | None, locale: str | None, folder: Path | None = None
) -> Presentation:
    """The look that a branding (JSON text of the book) and a locale ask for.

    `folder` holds the logo: the book's folder.
    """
    look: dict[str, Any] = json.loads(branding) if branding else {}
    asked = (look.get(name) for name in ("email", "website", "phone"))
    return Presentation(
        locale or DEFAULT_LOCALE,
        look.get("accent") or DEFAULT_ACCENT,
        look.get("footer"),
        tuple(text for text in asked if text),
        read_logo(folder, look["logo"]) if folder and look.get("logo") else None,
    )


def read_logo(folder: Path, name: str) -> Logo:
    """The logo of that name below the folder; one that is missing or no picture is refused."""
    path = folder.joinpath(name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(
            f"The logo {name!r} is not in the book's folder {folder}. Nothing was written. "
            "Put it there, or take `branding.logo` out of the entity."
        )
    data = path.read_bytes()
    kind: Literal["svg", "png"] = "png" if path.suffix == ".png" else "svg"
    if len(data) > MAX_LOGO_BYTES or not _is_picture(kind, data):
        raise UsageError(
            f"The logo {name!r} is no {kind.upper()} of at most {MAX_LOGO_BYTES} bytes. "
            "Nothing was written. Correct the file."
        )
    return Logo(kind, data)


def _is_picture(kind: str, data: bytes) -> bool:
    if kind == "png":
        return data.startswith(b"\x89PNG\r\n\x1a\n")
    try:
        return "<svg" in data.decode("utf-8")
    except UnicodeDecodeError:
        return False

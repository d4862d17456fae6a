"""A preview of an invoice as a page, in the look of its seller, marked as not issued."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meterhouse.errors import Rejected
from meterhouse.lake import Lake
from meterhouse.run.documents import Draft, Form, render_drafts


def page(lake: Lake, draft_id: str, content: Mapping[str, Any], form: Form) -> bytes:
    """The bytes of the page; content as upcoming.py gives it."""
    # Pages know invoices and credit notes; the mark says that this is neither yet.
    kind = "credit_note" if content["net"].startswith("-") else "invoice"
    draft = Draft(draft_id, json.dumps({**content, "kind": kind}))
    lake.settings.temporary.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=lake.settings.temporary) as folder:
        made = render_drafts(lake, [draft], form, Path(folder))
        if made.failed:
            raise Rejected("\n".join([*made.failed, "Nothing was written."]))
        return Path(made.written[0].path).read_bytes()

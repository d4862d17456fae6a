"""Avalara AvaTax, REST v2, as a tax engine: drafts are estimates, documents are kept.

An estimate (SalesOrder, ReturnOrder) is not stored there. A document (SalesInvoice, ReturnInvoice)
is saved, compared with the tax we charged, and only then committed: what is saved may be replaced,
what is committed is filed. Every amount goes and comes as the text of a decimal.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec

from connectors.avatax_answer import answer_of, parsed, total_of
from connectors.avatax_question import transaction
from connectors.http_asked import Asked
from connectors.http_calls import Calls
from connectors.json_answer import WrongAnswer
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import HttpAuth, HttpPlace
from meterhouse.tax_settings import TaxEngineSettings

ESTIMATES = {"invoice": "SalesOrder", "credit_note": "ReturnOrder"}
STORED = {"invoice": "SalesInvoice", "credit_note": "ReturnInvoice"}
# A document with this code is committed or cancelled and cannot be replaced.
DOCUMENT_STATUS = ("GetTaxError", "300")


class Refused(SourceRejected):
    """A call that AvaTax refused, with its code and number."""

    def __init__(self, source: str, reason: str, codes: tuple[str, ...]) -> None:
        self.codes = codes
        super().__init__(source, reason)


class _Calls(Calls):
    """Calls whose refusals are told in the words of AvaTax's error body."""

    _good = (HTTPStatus.OK, HTTPStatus.CREATED)

    def _refused(self, asked: Asked, status: int, named: str, body: bytes) -> Exception:
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return super()._refused(asked, status, named, body)
        try:
            error = msgspec.json.decode(body, type=dict[str, Any])["error"]
            details = [one for one in error.get("details") or [] if isinstance(one, dict)]
            codes = [str(error.get("code"))]
            codes += [str(one.get(name)) for one in details for name in ("code", "number")]
            texts = [str(error.get("message"))]
            texts += [str(one.get("description") or one.get("message")) for one in details]
        except (msgspec.DecodeError, KeyError, AttributeError):
            return super()._refused(asked, status, named, body)
        said = asked.excerpt("; ".join(dict.fromkeys(texts)).encode())
        sentence = asked.rejected(f"{named}, {codes[0]}: {said}").reason
        return Refused(asked.source, sentence, tuple(codes))


class AvaTax:
    """The engine of one company; `name` is what the settings call it."""

    def __init__(self, name: str, settings: TaxEngineSettings, account: str, key: str) -> None:
        self._name = name
        self._settings = settings
        auth = HttpAuth(kind="basic", user=account, secret_variable=settings.key_variable)
        self._place = HttpPlace(
            url=settings.url,
            auth=auth,
            timeout_seconds=settings.timeout_seconds,
            attempts=settings.attempts,
        )
        self._key = key

    def ask(self, question: str) -> str:
        """The answer to a question, as an estimate of which nothing is kept."""
        told = msgspec.json.decode(question)
        body = transaction(told, self._settings, ESTIMATES[told["kind"]], None)
        what = f"the estimate for {told['buyer']['id']}"
        answer = self._post("transactions/create", body, what)
        try:
            return answer_of(answer, told)
        except WrongAnswer as error:
            raise SourceRejected(self._name, f"{what} {error}") from error

    def record(self, question: str, number: str, tax: str) -> None:
        """Save a document, compare its tax with `tax`, and commit it; safe to repeat."""
        told = msgspec.json.decode(question)
        kind = STORED[told["kind"]]
        body = transaction(told, self._settings, kind, number)
        try:
            saved = self._post("transactions/create", body, f"document {number}")
        except Refused as error:
            if not set(DOCUMENT_STATUS) <= set(error.codes):
                raise
            saved = self._stored(number, kind)
        status, total = str(saved.get("status")), total_of(saved)
        if status == "Cancelled" or total != msgspec.convert(tax, type=type(total), strict=False):
            how = "is cancelled there" if status == "Cancelled" else f"has tax {total} there"
            raise SourceRejected(
                self._name,
                f"document {number} {how} and {tax} here, so it was not committed; find out why, "
                "then commit or adjust it there",
            )
        if status != "Committed":
            self._post(self._of(number, "commit", kind), {"commit": True}, f"document {number}")

    def void(self, kind: str, number: str) -> None:
        """Take a document back; one that is not there, or was taken back, is left as it is."""
        try:
            path = self._of(number, "void", STORED[kind])
            self._post(path, {"code": "DocVoided"}, f"document {number}")
        except Refused as error:
            if "EntityNotFoundError" in error.codes:
                return
            if not set(DOCUMENT_STATUS) <= set(error.codes):
                raise
            if self._stored(number, STORED[kind]).get("status") != "Cancelled":
                raise

    def _of(self, number: str, verb: str, kind: str) -> str:
        company = quote(self._settings.company, safe="")
        document = f"companies/{company}/transactions/{quote(number, safe='')}"
        return f"{document}/{verb}?documentType={kind}"

    def _stored(self, number: str, kind: str) -> dict[str, Any]:
        path = self._of(number, "", kind).replace("/?", "?")
        return self._call(path, None, f"document {number}")

    def _post(self, path: str, body: Any, what: str) -> dict[str, Any]:
        return self._call(path, msgspec.json.encode(body), what)

    def _call(self, path: str, content: bytes | None, what: str) -> dict[str, Any]:
        url = f"{self._settings.url}/api/v2/{path}"
        parameters = {"$include": "Details"} if path.startswith("transactions/create") else {}
        with _Calls(self._name, self._place, self._key) as calls:
            asked = calls.asked(what)
            return calls.get(asked, url, parameters, lambda one: parsed(one.body), content)

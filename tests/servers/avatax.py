"""A server that follows the published AvaTax REST v2 API on a free port of 127.0.0.1.

It knows three places with their jurisdictions, keeps saved, committed and cancelled transactions,
and refuses what AvaTax refuses. `Avatax.faults` says which requests go wrong, by their number from
1 on; `Avatax.always` what goes wrong with each.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ACCOUNT, KEY = "2000134479", "k3y/+of&us"
CENT = Decimal("0.01")
# By region and city: kind, name, name of the tax, rate, and from which day it holds.
PLACES: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {
    ("WA", "Seattle"): [
        ("State", "WASHINGTON", "WA STATE TAX", "0.065"),
        ("County", "KING", "WA COUNTY TAX", "0.014"),
        ("City", "SEATTLE", "WA CITY TAX", "0.0215"),
    ],
    ("IL", "Chicago"): [
        ("State", "ILLINOIS", "IL STATE TAX", "0.0625"),
        ("County", "COOK", "IL COUNTY TAX", "0.0175"),
        ("City", "CHICAGO", "IL CITY TAX", "0.0125"),
    ],
    ("OR", "Portland"): [],
}
# Washington's city took more from this day on.
RAISED_ON, RAISED = "2026-02-15", Decimal("0.0315")


@dataclass
class Avatax:
    """What the server has seen, what it keeps, and what goes wrong."""

    faults: dict[int, "Fault"] = field(default_factory=dict)
    always: "Fault | None" = None
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    drift: Decimal = Decimal(0)  # added to every rate from now on
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self, kind: str) -> list[Any]:
        """The transactions of one type that were created, as they came."""
        return [body for _, _, body in self.seen if body and body.get("type") == kind]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Avatax

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with suppress(ConnectionResetError):  # Whoever asked has hung up.
            super().handle()

    def do_GET(self) -> None:
        self.handle_call(None)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.handle_call(json.loads(text, parse_float=Decimal, parse_int=Decimal))

    def handle_call(self, body: Any) -> None:
        api = self.api
        api.seen.append((self.command, self.path, body))
        fault = api.faults.get(len(api.seen), api.always)
        pair = base64.b64encode(f"{ACCOUNT}:{KEY}".encode()).decode()
        with suppress(BrokenPipeError, ConnectionResetError):
            if fault is not None:
                fault(self)
            elif self.headers.get("Authorization") != f"Basic {pair}":
                self.refuse(401, "AuthenticationException", "Authentication failed.")
            else:
                self.route(body)

    def route(self, body: Any) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        steps = [unquote(step) for step in parts.path.strip("/").split("/")]
        if steps == ["api", "v2", "transactions", "create"]:
            self.create(body, query)
        elif steps[:3] == ["api", "v2", "companies"] and steps[4] == "transactions":
            self.stored(steps[5], steps[6:], query)
        else:
            self.refuse(404, "NotFound", "No such route.")

    def create(self, body: Any, query: dict[str, str]) -> None:
        if body["companyCode"] != "HOUSE":
            self.refuse(400, "CompanyNotFoundError", "Company not found.")
            return
        to = body["addresses"]["shipTo"]
        if (to.get("region"), to["city"]) not in PLACES:
            said = "The address is not deliverable."
            self.refuse(400, "InvalidAddress", said, number=309)
            return
        known = self.api.kept.get(body.get("code", ""))
        if known is not None and known["status"] != "Saved":
            said = "DocStatus is invalid for this operation."
            self.refuse(400, "GetTaxError", said, number=300)
            return
        made = taxed(body, self.api.drift, "Details" in query.get("$include", ""))
        if body["type"].endswith("Invoice"):
            self.api.kept[body["code"]] = made
        self.answer(made, 201)

    def stored(self, code: str, verb: list[str], query: dict[str, str]) -> None:
        found = self.api.kept.get(code)
        if found is None or found["type"] != query.get("documentType", "SalesInvoice"):
            self.refuse(404, "EntityNotFoundError", f"Transaction {code} not found.")
            return
        if verb:
            after = {"commit": "Committed", "void": "Cancelled"}[verb[0]]
            before = ("Saved",) if after == "Committed" else ("Saved", "Committed")
            if found["status"] not in before:
                said = "DocStatus is invalid for this operation."
                self.refuse(400, "GetTaxError", said, number=300)
                return
            found["status"] = after
        self.answer(found)

    def refuse(self, status: int, code: str, said: str, number: int = 0) -> None:
        detail = {"code": code, "number": number, "message": said, "description": said}
        detail |= {"faultCode": "Client", "severity": "Error"}
        error = {"code": code, "message": said, "target": "HttpRequest", "details": [detail]}
        self.answer({"error": error}, status)

    def answer(self, content: Any, status: int = 200, **headers: str) -> None:
        text = content if isinstance(content, bytes) else _json(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)


Fault = Callable[[Handler], None]


def without_tax(price: Decimal, places: Any) -> Decimal:
    """A price that holds its taxes, without them."""
    rates = sum((Decimal(text) for *_, text in places), Decimal(1))
    return (price / rates).quantize(CENT, ROUND_HALF_UP)


def taxed(body: Any, drift: Decimal, with_details: bool) -> dict[str, Any]:
    """The transaction that AvaTax makes of a body: each jurisdiction rounded on each line."""
    to, lines = body["addresses"]["shipTo"], []
    for line in body["lines"]:
        on = line.get("taxOverride", {}).get("taxDate", body["date"])
        details = []
        for kind, name, tax_name, text in PLACES[to["region"], to["city"]]:
            rate = Decimal(text) + drift
            if name == "SEATTLE" and on >= RAISED_ON:
                rate = RAISED + drift
            amount = Decimal(line["amount"])
            is_exempt = "exemptionNo" in body or "exemptionCode" in line
            is_taxed = not is_exempt and line.get("taxCode") != "NT"
            if line.get("taxIncluded") and is_taxed:
                amount = without_tax(amount, PLACES[to["region"], to["city"]])
            base = amount if is_taxed else Decimal(0)
            details.append(
                {
                    "jurisType": kind,
                    "jurisName": name,
                    "country": to["country"],
                    "region": to["region"],
                    "taxName": tax_name,
                    "rate": rate,
                    "taxableAmount": base,
                    "exemptAmount": amount if is_exempt else Decimal(0),
                    "nonTaxableAmount": Decimal(0) if is_exempt else amount - base,
                    "tax": (base * rate).quantize(CENT, ROUND_HALF_UP),
                }
            )
        if line.get("taxIncluded") and details and details[-1]["taxableAmount"]:
            # What is paid stays the price: the last jurisdiction takes what rounding left.
            held = Decimal(line["amount"]) - details[-1]["taxableAmount"]
            details[-1]["tax"] += held - sum(one["tax"] for one in details)
        override = line.get("taxOverride", {})
        if override.get("type") == "taxAmount" and details:
            details[-1]["tax"] += override["taxAmount"] - sum(one["tax"] for one in details)
        tax = sum((one["tax"] for one in details), Decimal(0))
        own = {"lineNumber": line["number"], "lineAmount": line["amount"], "tax": tax}
        lines.append(own | ({"details": details} if with_details else {}))
    total = sum((line["tax"] for line in lines), Decimal(0))
    status = "Saved" if body["type"].endswith("Invoice") else "Temporary"
    head = {"type": body["type"], "code": body.get("code"), "status": status, "date": body["date"]}
    return head | {"totalTax": total, "lines": lines}


def _json(content: Any) -> str:
    """JSON whose numbers are decimals, without quotes around them."""
    if isinstance(content, dict):
        inner = ",".join(f"{json.dumps(name)}:{_json(one)}" for name, one in content.items())
        return f"{{{inner}}}"
    if isinstance(content, list):
        return f"[{','.join(map(_json, content))}]"
    return f"{content:f}" if isinstance(content, Decimal) else json.dumps(content)


def status(code: int, **headers: str) -> Fault:
    """An answer with this status and nothing of use in it."""
    return lambda handler: handler.answer({"message": "no"}, code, **headers)


def never(handler: Handler) -> None:
    """No answer until the server is closed."""
    handler.api.closing.wait()
    handler.close_connection = True


def cut(handler: Handler) -> None:
    """JSON that ends too early, of the length that was announced."""
    handler.answer(b'{"totalTax": 1.23, "lines": [{"lineNumber": "1", ')


def without_a_line(handler: Handler) -> None:
    """A whole transaction of no lines."""
    handler.answer({"totalTax": Decimal(0), "lines": []}, 201)


@contextmanager
def serving(api: Avatax) -> Iterator[Avatax]:
    """The server, until the block ends."""
    handler = type("AvataxHandler", (Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        api.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.closing.set()
            server.shutdown()
            thread.join()

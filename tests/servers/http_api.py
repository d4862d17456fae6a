"""A real JSON API on a free port of 127.0.0.1: every kind of pages and auth, and faults on demand.

`Api.faults` says which requests go wrong, by their number from 1 on; `Api.always` what goes wrong
with each. A fault is a function that answers the request in its own way.
"""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

SECRET = 's3cr3t/+&"key'
USER = "meter"


@dataclass(frozen=True)
class Seen:
    """One request as it came; `at` in seconds of a clock that only rises."""

    at: float
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Api:
    """What the server lists, and how."""

    records: Sequence[str] = ()  # each the text of a JSON object
    pages: str = "none"  # none, page, offset, cursor, link, link_in_body
    auth: str = "none"  # none, bearer, key, basic
    most: int = 1000  # records of a page, whatever is asked for
    first: int = 1  # number of the first page
    since: str = "at"  # field of the records that `since` is compared with
    is_bare: bool = False  # the answer is the list, not an object around it
    empties: frozenset[int] = frozenset()  # pages of kind cursor that come empty before the rest
    days: str = "[]"  # what /days answers
    faults: dict[int, "Fault"] = field(default_factory=dict)
    always: "Fault | None" = None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.home}/v1/usage"

    def queries(self) -> list[dict[str, str]]:
        return [seen.query for seen in self.seen]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        api = self.api
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        api.seen.append(Seen(time.monotonic(), parts.path, query, dict(self.headers.items())))
        fault = api.faults.get(len(api.seen), api.always)
        with suppress(BrokenPipeError, ConnectionResetError):
            if fault is not None:
                fault(self)
            elif not self._is_known():
                self.answer(b'{"error": "who are you?"}', status=401)
            elif parts.path == "/days":
                self.answer(api.days.encode())
            else:
                self.list(query)

    def _is_known(self) -> bool:
        pair = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        wanted = {
            "none": None,
            "bearer": ("Authorization", f"Bearer {SECRET}"),
            "key": ("X-API-Key", SECRET),
            "basic": ("Authorization", f"Basic {pair}"),
        }[self.api.auth]
        return wanted is None or self.headers.get(wanted[0]) == wanted[1]

    def list(self, query: dict[str, str]) -> None:
        """One page of the records."""
        records = self._since(query)
        size = min(int(query.get("limit", self.api.most)), self.api.most)
        start, extra, links = self._place(query, size, len(records))
        found = [] if start is None else records[start : start + size]
        self.answer(self.body(found, extra, len(records)), links=links)

    def _since(self, query: dict[str, str]) -> Sequence[str]:
        if "since" not in query:
            return self.api.records
        return [text for text in self.api.records if str(self._at(text)) >= query["since"]]

    def _at(self, text: str) -> str:
        return json.loads(text, parse_int=str, parse_float=str)[self.api.since]

    def _place(
        self, query: dict[str, str], size: int, count: int
    ) -> tuple[int | None, dict[str, Any], str]:
        """Where a page begins, what is beside its list, and its Link header."""
        match self.api.pages:
            case "none":
                return 0, {}, ""
            case "page":
                return (int(query["page"]) - self.api.first) * size, {}, ""
            case "offset":
                return int(query["offset"]), {}, ""
            case "cursor":
                return self._after(query, size, count)
        start = int(query.get("from", "0"))
        kept = {name: value for name, value in query.items() if name != "from"}
        more = "?" + urlencode(kept | {"from": start + size})
        more = more if start + size < count else ""
        if self.api.pages == "link_in_body":
            return start, {"links": {"next": self.api.url + more if more else None}}, ""
        start_link = '</v1/usage>; rel="first"; title="a, b"'
        return start, {}, f'{start_link}, <{more}>; rel="next"' if more else start_link

    def _after(self, query: dict[str, str], size: int, count: int) -> tuple[int | None, Any, str]:
        """Cursors are c0, c1, …; one that is named an empty page leads to its twin."""
        token = query.get("after", "c0")
        page = int(token.strip("ce"))
        if page in self.api.empties and token.startswith("c"):
            return None, {"next": f"e{page}"}, ""
        start = page * size
        return start, {"next": f"c{page + 1}" if start + size < count else None}, ""

    def body(self, found: Sequence[str], extra: dict[str, Any], total: int) -> bytes:
        """An answer as senders write it: with white space, numbers as they are."""
        listed = "[\n" + ",\n".join(found) + "\n]"
        if self.api.is_bare:
            return listed.encode()
        around = json.dumps({"total": total} | extra)
        return f'{{"meta": {around}, "data": {{"records": {listed}}}}}\n'.encode()

    def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        links: str = "",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Send a whole answer; `length` is what its header claims."""
        self.begin(
            status, {"Content-Length": str(len(body) if length is None else length)}, headers
        )
        if links:
            self.send_header("Link", links)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, status: int, *headers: dict[str, str] | None) -> None:
        """Send the status and headers, not yet their end."""
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        for given in headers:
            for name, value in (given or {}).items():
                self.send_header(name, value)

    def cut(self) -> None:
        """End the connection here."""
        self.close_connection = True


Fault = Callable[[Handler], None]


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Another status; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(body, status=code, headers=named)


def body(content: bytes, **headers: str) -> Fault:
    """Another body with status 200."""
    return status(200, content, **headers)


def cut_body(handler: Handler) -> None:
    """Half of what Content-Length promises, then the end of the connection."""
    handler.answer(b'{"data": {"records": [{"id": "1"}', length=1000)
    handler.cut()


def cut_unannounced(handler: Handler) -> None:
    """Half an answer without any length, so that only its JSON shows the cut."""
    handler.begin(200, {"Connection": "close"})
    handler.end_headers()
    handler.wfile.write(b'{"data": {"records": [{"id": "1"}, {"id"')
    handler.cut()


def broken_chunks(handler: Handler) -> None:
    """A chunk that promises more than comes."""
    handler.begin(200, {"Transfer-Encoding": "chunked"})
    handler.end_headers()
    handler.wfile.write(b"FFFF\r\n" + b'{"data": {"records": [')
    handler.cut()


def short_length(handler: Handler) -> None:
    """A Content-Length of less than what is sent."""
    whole = b'{"data": {"records": [{"id": "1"}, {"id": "2"}]}}'
    handler.answer(whole, length=len(whole) - 10)
    handler.cut()


def never(handler: Handler) -> None:
    """No answer until the server is closed."""
    handler.api.closing.wait()
    handler.cut()


def reset(handler: Handler) -> None:
    """The connection ends without a word."""
    handler.cut()


def drips(handler: Handler) -> None:
    """A blank five times a second, without an end."""
    handler.begin(200, {"Connection": "close"})
    handler.end_headers()
    while not handler.api.closing.wait(0.2):
        handler.wfile.write(b" ")
    handler.cut()


def drips_head(handler: Handler) -> None:
    """A header that grows five times a second, without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: ")
    while not handler.api.closing.wait(0.2):
        handler.wfile.write(b".")
    handler.cut()


def endless(handler: Handler) -> None:
    """A body that goes on for as long as anybody reads."""
    handler.begin(200, {"Connection": "close"})
    pour(handler)


def pour(handler: Handler, piece: bytes = b" ") -> None:
    """End the headers, then send the piece again and again."""
    handler.end_headers()
    while not handler.api.closing.is_set():
        handler.wfile.write(piece * 20_000)
    handler.cut()


def gzip_bomb(handler: Handler) -> None:
    """64 MiB of blanks in 64 KiB."""
    handler.answer(gzip.compress(b" " * 2**26), headers={"Content-Encoding": "gzip"})


def echo(code: int) -> Fault:
    """An answer that repeats what it was sent, at the end of much else."""

    def fault(handler: Handler) -> None:
        sent = " ".join(f"{name}: {value}" for name, value in handler.headers.items())
        handler.answer(f"go away\0\r\n{sent}".encode(), status=code)

    return fault


def after(change: Callable[[Api], None]) -> Fault:
    """The right answer, once something has changed."""

    def fault(handler: Handler) -> None:
        change(handler.api)
        query = parse_qs(urlsplit(handler.path).query)
        handler.list({name: values[0] for name, values in query.items()})

    return fault


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """The server, until the block ends."""
    handler = type("ApiHandler", (Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        api.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield api
        finally:
            api.closing.set()
            server.shutdown()
            thread.join()

"""S3 servers: moto (the full one), nanio (which checks signatures), and faults in front of moto."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.servers.child import child

ACCESS, SECRET = "test-access-key", "test-secret-that-nobody-may-see"
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
server._thread.join()
"""
NANIO = """
import socket, uvicorn
from nanio.app import build_app
listening = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(build_app(), log_level="error"))
print(listening.getsockname()[1], flush=True)
server.run(sockets=[listening])
"""
HOP = {"connection", "transfer-encoding", "server", "date"}
_numbers = count(1)


@cache
def _client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


@dataclass(frozen=True)
class S3Server:
    """A running server and a client that may write to it."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        return _client(self.endpoint)

    def bucket(self) -> str:
        """A new empty bucket."""
        name = f"usage-{next(_numbers)}"
        self.client().create_bucket(Bucket=name)
        return name


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    # Three keys a page, so that whatever lists more goes through several.
    with child(MOTO, MOTO_S3_DEFAULT_MAX_KEYS="3") as port:
        yield S3Server(port)


@pytest.fixture(scope="session")
def strict_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that refuses a wrong secret."""
    data: Path = tmp_path_factory.mktemp("nanio")
    environment = {
        "NANIO_ACCESS_KEY": ACCESS,
        "NANIO_SECRET_KEY": SECRET,
        "NANIO_DATA_DIR": str(data),
    }
    with child(NANIO, **environment) as port:
        yield S3Server(port)


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Faults:
    """What happens to the next answers: one entry is taken for each request that it is for.

    An entry changes the answer; `cut` promises it whole and sends half; None never answers.
    """

    upstream: int
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    entries: list[tuple[str, Callable[[Answer], Answer | None]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, kind: str, change: Callable[[Answer], Answer | None], times: int = 1) -> None:
        """For `list`, `get` or `head`, as often as said."""
        self.entries += [(kind, change)] * times

    def taken(self, kind: str) -> Callable[[Answer], Answer | None] | None:
        with self.lock:
            self.asked[kind] += 1
            for at, (wanted, change) in enumerate(self.entries):
                if wanted == kind:
                    del self.entries[at]
                    return change
        return None


def cut(answer: Answer) -> Answer:
    """Half of the body under the length of all of it."""
    status, headers, body = answer
    return status, headers, body[: len(body) // 2]


class Held(bytes):
    """A body after which the connection stays open and silent."""


def stalled(answer: Answer) -> Answer:
    """Half of the body, and then nothing for ever."""
    status, headers, body = cut(answer)
    return status, headers, Held(body)


def flipped(answer: Answer) -> Answer:
    """One bit of the body is another."""
    status, headers, body = answer
    middle = len(body) // 2
    return status, headers, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def no_answer(answer: Answer) -> None:
    """The connection stays open and silent."""


def says(status: int, body: bytes = b"") -> Callable[[Answer], Answer]:
    """Another answer altogether."""
    return lambda answer: (status, {"Content-Length": str(len(body))}, body)


def without(*names: str) -> Callable[[Answer], Answer]:
    """The answer without some of its headers."""

    def change(answer: Answer) -> Answer:
        status, headers, body = answer
        kept = {k: v for k, v in headers.items() if not k.lower().startswith(names)}
        return status, kept, body

    return change


def headed(**headers: str) -> Callable[[Answer], Answer]:
    """The answer with other headers; _ stands for -."""

    def change(answer: Answer) -> Answer:
        status, found, body = answer
        return status, {**found, **{k.replace("_", "-"): v for k, v in headers.items()}}, body

    return change


@contextmanager
def faulty(upstream: int) -> Iterator[Faults]:
    """A server in front of another that passes all on, but for the faults it is given."""
    faults = Faults(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind = "list" if "list-type=2" in self.path else "get"
            self._pass_on("head" if self.command == "HEAD" else kind)

        do_HEAD = do_GET  # noqa: N815

        def _pass_on(self, kind: str) -> None:
            change = faults.taken(kind)
            answer = change(self._asked()) if change else self._asked()
            self.close_connection = True
            if answer is None:
                faults.released.wait(60)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if isinstance(body, Held):
                self.wfile.flush()
                faults.released.wait(60)

        def _asked(self) -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", faults.upstream, timeout=30)
            try:
                connection.request(self.command, self.path, headers=dict(self.headers))
                found = connection.getresponse()
                kept = {k: v for k, v in found.getheaders() if k.lower() not in HOP}
                return found.status, kept, found.read()
            finally:
                connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    faults.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield faults
    finally:
        faults.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def s3_faults(s3_server: S3Server) -> Iterator[Faults]:
    with faulty(s3_server.port) as faults:
        yield faults

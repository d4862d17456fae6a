"""The head of an answer in bounded time: a timeout bounds each read of it, not all together."""

import socket
import threading
from contextlib import suppress
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection


def _hang_up(sock: socket.socket | None) -> None:
    if sock is not None:
        # Not sock.shutdown: that of TLS would change what another thread is reading with. What is
        # closed already needs no hanging up.
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _BoundedHead(HTTPConnection):
    """Hangs up when the head of an answer is not whole after twice the timeout of the call."""

    def getresponse(self) -> urllib3.response.HTTPResponse:  # type: ignore[override]
        watch = threading.Timer(2 * (self.timeout or 0), _hang_up, [self.sock])
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()


class _BoundedHeads(HTTPSConnection, _BoundedHead):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _BoundedHead


class _Pools(urllib3.HTTPSConnectionPool):
    ConnectionCls = _BoundedHeads


class BoundedAdapter(HTTPAdapter):
    """An adapter without retries of its own whose calls end, whatever the server does."""

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        """As ever, with connections that hang up."""
        super().init_poolmanager(*arguments, **settings)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _Pools}

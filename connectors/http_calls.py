"""Calls to one API: who asks, where redirects may lead, and what each status means."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from connectors.http_adapter import BoundedAdapter
from connectors.http_asked import Asked, auth_headers, spellings
from connectors.http_body import beginning_of, body_of
from connectors.json_answer import ShortAnswer, WrongAnswer
from connectors.retrying import repeated
from meterhouse.errors import MeterhouseError
from meterhouse.source_settings import HttpPlace, address_fault

T = TypeVar("T")

MAX_WAIT = 300  # seconds; a server that asks for more is left alone until the next run
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
JSON = {"Content-Type": "application/json"}
PORTS = {"http": 80, "https": 443}
NEVER_RIGHT = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)


class Answer(NamedTuple):
    """A body that came whole, where it came from, and its Link header."""

    url: str
    body: bytes
    links: str


class Calls:
    """Calls to the server of `place`, with its secret and to no other server: GET, or POST where
    there is content (JSON), which may come more than once."""

    _good: tuple[int, ...] = (HTTPStatus.OK,)

    def __init__(self, source: str, place: HttpPlace, secret: str | None) -> None:
        self._source = source
        self._place = place
        self._secrets = spellings(place.auth, secret)
        self._session = requests.Session()
        # Else a .netrc would replace our secret, and variables of the environment choose proxies.
        self._session.trust_env = False
        self._adapter = BoundedAdapter()
        self._session.headers.update(
            {"User-Agent": "meterhouse", "Accept": "application/json", "Accept-Encoding": "gzip"}
            | auth_headers(source, place.auth, secret)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._adapter.close()

    def asked(self, what: str) -> Asked:
        """Names a question in messages."""
        return Asked(self._source, what, self._secrets)

    def get(
        self,
        asked: Asked,
        url: str,
        parameters: Mapping[str, str],
        parsed: Callable[[Answer], T],
        content: bytes | None = None,
    ) -> T:
        """What `parsed` makes of the answer; asked again while that may help."""

        def once() -> T:
            try:
                return self._once(asked, url, parameters, parsed, content)
            except MeterhouseError:
                # Bytes that are left in a connection must not be read as the next answer.
                self._adapter.close()
                raise

        return repeated(once, self._place.attempts)

    def _once(
        self,
        asked: Asked,
        url: str,
        parameters: Mapping[str, str],
        parsed: Callable[[Answer], T],
        content: bytes | None,
    ) -> T:
        answer = self._answer(asked, url, parameters, content)
        try:
            return parsed(answer)
        except ShortAnswer as error:
            raise asked.unanswered("was cut: its JSON ends too early") from error
        except WrongAnswer as error:
            raise asked.rejected(f"{error}; it begins {asked.excerpt(answer.body)}") from error

    def _answer(
        self, asked: Asked, url: str, parameters: Mapping[str, str], content: bytes | None
    ) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            with closing(self._sent(asked, url, parameters, content)) as response:
                if content is not None or response.status_code not in REDIRECTS:
                    self._check_status(asked, response)
                    body = body_of(response, asked, self._place)
                    return Answer(response.url, body, response.headers.get("Link", ""))
                url, parameters = self._redirected(asked, response), {}
        raise asked.rejected(f"is redirected more than {MAX_REDIRECTS} times")

    def _sent(
        self, asked: Asked, url: str, parameters: Mapping[str, str], content: bytes | None
    ) -> requests.Response:
        seconds = self._place.timeout_seconds
        try:
            method, headers = ("POST", JSON) if content is not None else ("GET", {})
            wanted = self._session.prepare_request(
                requests.Request(method, url, headers, params=parameters, data=content)
            )
            # Not session.send: it reads the whole body of a redirect, however long that is.
            return self._adapter.send(wanted, stream=True, timeout=(seconds, seconds))
        except NEVER_RIGHT as error:
            raise asked.rejected("cannot be asked for: its URL is malformed") from error
        except requests.exceptions.Timeout as error:
            raise asked.unanswered(f"was not answered within {seconds} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise asked.unanswered(
                f"was not answered: the connection failed ({type(error).__name__})"
            ) from error

    def _redirected(self, asked: Asked, response: requests.Response) -> str:
        location = response.headers.get("Location", "")
        return same_server(asked, "is redirected", self._place.url, response.url, location)

    def _check_status(self, asked: Asked, response: requests.Response) -> None:
        status = response.status_code
        if status in self._good:
            return
        named = f"was answered with {status}{_phrase(status)}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = _wait(response)
            if wait is not None and wait > MAX_WAIT:
                raise asked.unavailable(
                    f"{named} and the request to wait {wait:.0f} s, which is longer than a run "
                    f"waits ({MAX_WAIT} s); run it again after that"
                )
            raise asked.unanswered(named, wait)
        body = beginning_of(response, asked, self._place)
        raise self._refused(asked, status, named, body)

    def _refused(self, asked: Asked, status: int, named: str, body: bytes) -> Exception:
        """What a status that will not change by asking again means."""
        return asked.rejected(f"{named}: {asked.excerpt(body)}{self._hint(status)}")

    def _hint(self, status: int) -> str:
        variable = self._place.auth.secret_variable
        if status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ""
        return f"; check the secret in {variable}" if variable else "; it asks for a secret"


def same_server(asked: Asked, how: str, home: str, base: str, link: str) -> str:
    """The URL a server names, which must be of the server in the settings (`home`)."""
    try:
        url = urljoin(base, link)
        fault = "is no URL" if not link else address_fault(url)
    except ValueError:
        fault = "is no URL"
    if fault is not None:
        raise asked.rejected(f"{how} to an address that {fault}")
    if origin(url) != origin(home):
        raise asked.rejected(
            f"{how} to another server ({urlsplit(url).netloc[:80]}), which is not given the "
            "secret; put that address into the settings if it is the right one"
        )
    return url


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL: what must be equal for two to be of one server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def _phrase(status: int) -> str:
    # Never the phrase the server sent: it may hold anything.
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _wait(response: requests.Response) -> float | None:
    """Seconds the server asks us to wait; a date counts from the server's own clock."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(int(asked[:12]), 10**9)
    until = _instant(asked)
    if until is None:
        return None
    now = _instant(response.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

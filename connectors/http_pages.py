"""The pages of a list, one after the other, to the end: none twice, none left out."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from connectors.http_asked import Asked
from connectors.http_calls import Answer, Calls, same_server
from connectors.json_answer import Listing, WrongAnswer, listed
from meterhouse.source_settings import HttpPages, HttpPlace

RELATION = "next"
# RFC 8288, once white space is one blank. `requests` has a parser that ends an address at its first
# semicolon.
TOKEN = r'[^\s=;,"]+'
VALUE = r'"(?:[^"\\]|\\.)*"|[^\s",;]*'
LINK = re.compile(rf" ?<([^>]*)> ?((?:; ?{TOKEN} ?(?:= ?(?:{VALUE}))? ?)*)(?:,|$)")
PARAMETER = re.compile(rf"; ?({TOKEN}) ?(?:= ?({VALUE}))?")


@dataclass(frozen=True)
class Request:
    """What one page is asked for with."""

    url: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass
class Read:
    """What was asked and got so far."""

    requests: dict[Request, int] = field(default_factory=dict)  # to the number of the page
    contents: dict[bytes, int] = field(default_factory=dict)  # hash of the records, likewise
    records: int = 0
    total: str | None = None  # what the server says it lists


def pages(calls: Calls, place: HttpPlace, since: str | None) -> Iterator[tuple[Asked, Listing]]:
    """Every page that has records; the list counts only when the last has come.

    `since` is the value of `since_parameter`, None to ask for everything.
    """
    read = Read()
    request = _first(place, since)
    for number in range(1, place.max_pages + 1):
        asked = calls.asked(f"page {number}")
        read.requests[request] = number
        page, following = calls.get(
            asked, request.url, dict(request.parameters), _turned(asked, place, request, read)
        )
        _check_repeat(asked, read, page, number)
        _check_total(asked, read, place.pages, page)
        if page.records:
            yield asked, page
        # Some name the same cursor again and again where nothing follows.
        if following is None or (following == request and not page.records):
            return _check_whole(asked, read)
        if following in read.requests:
            raise asked.rejected(
                f"names as the next one what was read as page {read.requests[following]}: the "
                "pages go round"
            )
        request = following
    raise calls.asked("the list").rejected(
        f"has more than {place.max_pages} pages; ask for larger ones or raise max_pages"
    )


def _first(place: HttpPlace, since: str | None) -> Request:
    found = dict(place.parameters)
    if since is not None and place.since_parameter is not None:
        found[place.since_parameter] = since
    if place.pages.size_parameter is not None:
        found[place.pages.size_parameter] = str(place.pages.size)
    starts = {"page": str(place.pages.first), "offset": "0"}
    if place.pages.kind in starts:
        found[str(place.pages.parameter)] = starts[place.pages.kind]
    return Request(place.url, tuple(found.items()))


def _turned(
    asked: Asked, place: HttpPlace, request: Request, read: Read
) -> Callable[[Answer], tuple[Listing, Request | None]]:
    """A parser of an answer: the page, and how the next is asked for."""

    def parsed(answer: Answer) -> tuple[Listing, Request | None]:
        page = listed(answer.body, place.items)
        return page, _following(asked, place, request, read, answer, page)

    return parsed


def _following(
    asked: Asked, place: HttpPlace, request: Request, read: Read, answer: Answer, page: Listing
) -> Request | None:
    ways = place.pages
    if ways.kind == "none" or (not page.records and not _may_be_empty(ways)):
        return None
    match ways.kind:
        case "page":
            return _advanced(request, ways, str(ways.first + len(read.requests)))
        case "offset":
            return _advanced(request, ways, str(read.records + len(page.records)))
        case "cursor":
            token = _text_at(page, str(ways.next))
            return None if token is None else _advanced(request, ways, token)
        case _:
            link = _text_at(page, ways.next) if ways.next else _link(answer.links)
            if link is None:
                return None
            return Request(
                same_server(asked, "names a next page that leads", place.url, answer.url, link)
            )


def _may_be_empty(ways: HttpPages) -> bool:
    """Servers that filter after they cut pages send empty ones in the middle."""
    return ways.kind in ("cursor", "link") and not ways.empty_is_last


def _advanced(request: Request, ways: HttpPages, value: str) -> Request:
    return Request(
        request.url, tuple((dict(request.parameters) | {str(ways.parameter): value}).items())
    )


def _text_at(page: Listing, path: str) -> str | None:
    found = page.value(path)
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise WrongAnswer(f"has no text or number at {path!r}")
    return found


def _link(header: str) -> str | None:
    """The target of relation `next` in a Link header."""
    text, at, found = " ".join(header.split()), 0, None
    while text[at:].strip(", "):
        link = LINK.match(text, at)
        if link is None:
            raise WrongAnswer("has a Link header that cannot be read")
        at = link.end()
        for name, value in PARAMETER.findall(link[2]):
            is_next = name.lower() == "rel" and RELATION in value.strip('"').lower().split()
            found = link[1] if is_next and found is None else found
    return found


def _check_repeat(asked: Asked, read: Read, page: Listing, number: int) -> None:
    if not page.records:
        return
    before = read.contents.setdefault(hashlib.sha256(page.items).digest(), number)
    if before != number:
        raise asked.rejected(
            f"repeats the records of page {before}; check how the settings ask for the next page"
        )


def _check_total(asked: Asked, read: Read, ways: HttpPages, page: Listing) -> None:
    read.records += len(page.records)
    if ways.total is None:
        return
    total = page.value(ways.total)
    if not isinstance(total, str) or not total.isdigit():
        raise asked.rejected(f"has no whole number at {ways.total!r}, the total in the settings")
    if read.total not in (None, total):
        raise asked.unavailable(
            f"says that the list has {total} records and an earlier one said {read.total}: it "
            "changed while it was read"
        )
    read.total = total


def _check_whole(asked: Asked, read: Read) -> None:
    if read.total is not None and int(read.total) != read.records:
        raise asked.unavailable(
            f"is the last and the server lists {read.total} records, but {read.records} came: "
            "the list changed while it was read, or it is not all of it"
        )

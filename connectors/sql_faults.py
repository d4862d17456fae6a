"""What an error of a database means: whether to ask again, in a sentence without secrets."""

import re
from typing import NamedTuple
from urllib.parse import unquote

import adbc_driver_manager

from connectors.retrying import Unanswered
from meterhouse.errors import SourceRejected

# Connection lost, transaction rolled back, out of resources, intervention or time-out, disk.
RETRIABLE = ("08", "40", "53", "55P03", "57", "58")
LONGEST = 300


class _Sign(NamedTuple):
    """Words of an error that carries no SQLSTATE, what they mean and whether it may pass."""

    words: str
    meaning: str
    is_passing: bool


# What may befall an answer on its way: these come without SQLSTATE even while rows are read.
_LOST = (
    _Sign("terminating connection", "the database ended the connection", True),
    _Sign("server closed the connection", "the connection broke", True),
    _Sign("no connection to the server", "the connection broke", True),
    _Sign("could not receive data", "the connection broke", True),
    _Sign("could not send data", "the connection broke", True),
    _Sign("ssl syscall", "the encrypted connection broke", True),
    _Sign("ssl error", "the encrypted connection broke", True),
    _Sign("is locked", "another process holds the file", True),
)
# Errors of connecting carry only words, and some carry the URI: none of their words is passed on.
_CONNECTING = (
    _Sign("password authentication failed", "the database refused the password", False),
    _Sign("no password supplied", "the database asks for a password and the URI has none", False),
    _Sign("no pg_hba.conf entry", "the database does not let this user in from here", False),
    _Sign("too many", "the database has no free connection", True),
    _Sign("remaining connection slots", "the database has no free connection", True),
    _Sign("starting up", "the database is starting", True),
    _Sign("shutting down", "the database is shutting down", True),
    _Sign("recovery", "the database is recovering", True),
    _Sign("connection refused", "nothing answers at its host and port", True),
    _Sign("timeout expired", "the database did not answer in time", True),
    _Sign("could not translate host name", "the name of its host is not known", True),
    _Sign("failed to open", "there is no file that can be opened", False),
    *_LOST,
    _Sign("fatal:", "the database refused the connection (user, database or rights)", False),
    _Sign("connection to server", "the connection failed", True),
)
_UNKNOWN = _Sign("", "the URI is not one that the driver understands", False)


def fault(
    source: str, uri: str, error: Exception, *, variable: str | None = None
) -> Unanswered | SourceRejected:
    """The error of a driver as one of ours; `variable` has the URI, given while connecting."""
    state = getattr(error, "sqlstate", None)
    if variable is not None and not state:
        return _connecting(source, variable, str(error))
    said = _without_secrets(_primary(error), uri)
    if state:
        reason = f"the database says: {said} (SQLSTATE {state})"
        is_passing = state.startswith(RETRIABLE)
    else:
        reason = f"the database says: {said}"
        is_passing = _sign(said, _LOST).is_passing
    if is_passing:
        return Unanswered(source, reason)
    return SourceRejected(source, f"{reason}; correct its section `sql`")


def _connecting(source: str, variable: str, text: str) -> Unanswered | SourceRejected:
    sign = _sign(text, _CONNECTING)
    if sign.is_passing:
        return Unanswered(source, sign.meaning)
    return SourceRejected(
        source,
        f"{sign.meaning}; correct the URI in its environment variable {variable}, or the database",
    )


def _sign(text: str, signs: tuple[_Sign, ...]) -> _Sign:
    lower = text.lower()
    return next((sign for sign in signs if sign.words in lower), _UNKNOWN)


def _primary(error: Exception) -> str:
    """The database's own first line, without the query that follows it."""
    if isinstance(error, adbc_driver_manager.Error):
        for key, value in error.details:
            if "PG_DIAG_MESSAGE_PRIMARY" in str(key):  # bytes, though its hint says text
                return value.decode(errors="replace")[:LONGEST]
    lines = str(error).splitlines() or ["no reason"]
    return lines[0][:LONGEST]


def _without_secrets(text: str, uri: str) -> str:
    """A text in which neither the URI nor a password of it stands."""
    found = {uri}
    for pattern in (r"://[^:/@]*:(.*)@", r"password\s*=\s*(?:'([^']*)'|([^\s&']+))"):
        for match in re.finditer(pattern, uri):
            found |= {value for word in match.groups() if word for value in (word, unquote(word))}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text

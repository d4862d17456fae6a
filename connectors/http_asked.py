"""What was asked of an API and what is wrong with the answer; no sentence holds the secret."""

import base64
import html
import json
from dataclasses import dataclass
from urllib.parse import quote

from connectors.retrying import Unanswered
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.source_settings import HttpAuth

EXCERPT = 200  # characters of an answer that a sentence shows
MARK = "[secret]"


def auth_headers(source: str, auth: HttpAuth, secret: str | None) -> dict[str, str]:
    """The header that proves who asks; a secret no header can carry is refused."""
    if auth.kind == "none":
        return {}
    if not secret or not secret.isprintable() or not (secret.isascii() or auth.kind == "basic"):
        raise UsageError(
            f"Source {source!r} cannot send the secret in {auth.secret_variable}: it is empty or "
            "holds a character that no header carries (a line end?). Nothing was asked."
        )
    match auth.kind:
        case "bearer":
            return {"Authorization": f"Bearer {secret}"}
        case "key":
            return {auth.header: secret}
        case _:
            return {"Authorization": f"Basic {_basic(auth, secret)}"}


def spellings(auth: HttpAuth, secret: str | None) -> tuple[str, ...]:
    """Every way a server may spell the secret when it echoes it, longest first."""
    if not secret:
        return ()
    found = {secret, quote(secret), quote(secret, safe=""), html.escape(secret)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    if auth.kind == "basic":
        found |= {_basic(auth, secret), quote(_basic(auth, secret), safe="")}
    return tuple(sorted(found, key=len, reverse=True))


def _basic(auth: HttpAuth, secret: str) -> str:
    return base64.b64encode(f"{auth.user}:{secret}".encode()).decode()


@dataclass(frozen=True, repr=False)
class Asked:
    """One question to an API, as messages name it, and the kinds of fault of its answer."""

    source: str
    what: str  # like "page 3"
    secrets: tuple[str, ...] = ()

    def rejected(self, reason: str) -> SourceRejected:
        """Asking again would give the same."""
        return SourceRejected(self.source, self._sentence(reason))

    def unavailable(self, reason: str) -> SourceUnavailable:
        """A later run may get more, this one will not."""
        return SourceUnavailable(self.source, self._sentence(reason))

    def unanswered(self, reason: str, wait: float | None = None) -> Unanswered:
        """Asking again may help, after `wait` seconds if the server named them."""
        return Unanswered(self.source, self._sentence(reason), wait)

    def excerpt(self, body: bytes) -> str:
        """The beginning of an answer, quoted, in printable characters and without the secret."""
        text = self._hidden(body.decode("utf-8", "replace")).rstrip("\ufffd")
        for secret in self.secrets:
            text = _without_begun(text, secret)
        shown = "".join(c if c.isprintable() else " " for c in text[: 20 * EXCERPT])
        return repr(" ".join(shown.split())[:EXCERPT])

    def _sentence(self, reason: str) -> str:
        return self._hidden(f"{self.what} {reason}")

    def _hidden(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MARK)
        return text


def _without_begun(text: str, secret: str) -> str:
    """The text without a secret that its end cuts in two."""
    sizes = range(len(secret) - 1, 0, -1)
    return text[: -next((n for n in sizes if text.endswith(secret[:n])), 0) or None]

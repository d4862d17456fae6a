"""What S3 and the way to it may answer instead of what was asked, as errors of a source.

Texts of boto3 and of servers may quote a request, so only codes are passed on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NetworkError
from botocore.parsers import ResponseParserError

from connectors.origin import Origin
from connectors.retrying import Unanswered
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import S3Place

REFUSED_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
TRY_AGAIN = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "InternalError"}
GONE = {"NoSuchKey", "NotFound", "404", "NoSuchVersion"}
CHANGED = "changed while it was fetched; it is still being written"
OTHER_BYTES = "came with other bytes than its server states"


class Unfit(Unanswered):
    """One body that is not what was listed; `reason` follows the name of its file."""

    def __init__(self, source: str, reason: str) -> None:
        self.reason = reason
        super().__init__(source, reason)


class Cut(Exception):
    """The connection ended inside a body."""


class Answers:
    """Sentences about the bucket of one source."""

    def __init__(self, source: str, place: S3Place, *, has_credentials: bool) -> None:
        self._source = source
        self._named = f"bucket {place.bucket!r} at {place.endpoint or 'AWS'}"
        self._access = "the credentials that boto3 finds on this machine"
        if has_credentials:
            self._access = (
                f"the environment variables {place.access_key_variable} and "
                f"{place.secret_key_variable}"
            )

    @contextmanager
    def awaited(self, origin: Origin | None = None) -> Iterator[None]:
        """Turn what boto3 raises into errors of the source, or of the object that is asked for."""
        try:
            yield
        except ClientError as error:
            raise self._answered(error, origin) from error
        except FlexibleChecksumError as error:
            raise Unfit(self._source, OTHER_BYTES) from error
        except (IncompleteReadError, ResponseStreamingError) as error:
            raise Cut from error
        except SSLError as error:
            raise self._rejected("has a certificate that cannot be trusted") from error
        except (NetworkError, HTTPClientError, OSError) as error:
            raise self._unanswered(f"does not answer ({type(error).__name__})") from error
        except (ResponseParserError, KeyError) as error:
            raise self._unanswered("does not answer as S3 does") from error
        except (BotoCoreError, ValueError) as error:
            kind = type(error).__name__
            raise self._rejected(
                f"cannot be asked ({kind}); check its settings and {self._access}"
            ) from error

    def _answered(self, error: ClientError, origin: Origin | None) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if code.isalnum() and len(code) < 60 else "no code"
        status = status_of(error)
        if status >= 500 or status == 429 or code in TRY_AGAIN:
            return self._unanswered(f"answers {status} ({code})")
        if status == 412:
            return Unfit(self._source, CHANGED)
        return self._of_object(code, origin) or self._rejected(self._refusal(status, code))

    def _of_object(self, code: str, origin: Origin | None) -> Exception | None:
        """What concerns one object alone, so that the others still come."""
        if origin is None:
            return None
        if code in GONE:
            return origin.unavailable("was listed and is no longer there")
        if code == "InvalidObjectState":
            return origin.rejected("is archived; restore it from its storage class")
        if code == "AccessDenied":
            return origin.rejected(f"may be listed and not read ({code}); check {self._access}")
        return None

    def _refusal(self, status: int, code: str) -> str:
        if code == "NoSuchBucket" or status == 404:
            return f"does not exist ({code}); check its name, endpoint and region"
        if code in REFUSED_CREDENTIALS or status == 401:
            return f"does not take the credentials ({code}); check {self._access}"
        if status == 403:
            return (
                f"does not let us read it ({code}); check {self._access}, "
                "and that they may list the bucket and get its objects"
            )
        return f"answers {status} ({code}); check its name, endpoint and region"

    def _rejected(self, reason: str) -> SourceRejected:
        return SourceRejected(self._source, f"{self._named} {reason}")

    def _unanswered(self, reason: str) -> Unanswered:
        return Unanswered(self._source, f"{self._named} {reason}")


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer that boto3 raised; 0 where it has none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))

"""What `meterhouse.yaml` says about one source: where it is, how its records become events.

Secrets are never in the file: a field that ends in `_variable` names the environment variable
that holds one.
"""

from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Strict(BaseModel):
    """Unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldFrom(Strict):
    """Where one field of an event comes from: a column (or JSON key path) or one fixed value."""

    column: str | None = None
    value: str | None = None
    zone: Literal["UTC"] | None = Field(
        default=None, description="Zone of times that carry no offset; only UTC so far."
    )

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        """Refuse a field with no origin or with two."""
        if (self.column is None) == (self.value is None):
            raise ValueError("give exactly one of `column` and `value`")
        return self


class Mapping(Strict):
    """How a record becomes an event; the defaults read CloudEvents."""

    type: FieldFrom = FieldFrom(column="type")
    subject: FieldFrom = FieldFrom(column="subject")
    time: FieldFrom = FieldFrom(column="time")
    data: dict[str, str] | None = Field(
        default=None,
        description="Property name to column. Absent: the `data` object of NDJSON, else every "
        "column that no other field uses.",
    )
    action: FieldFrom | None = Field(
        default=None,
        description="Where a record says that it is to `amend` or `void` a known event; empty: a "
        "plain one.",
    )


class Identity(Strict):
    """Which columns name an event, or `row`: the whole row and its ordinal among equal rows."""

    columns: tuple[str, ...] | None = None
    row: bool = False


class S3Place(Strict):
    """A bucket, or what stands below one prefix of it."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = Field(default=None, description="URL of a server that is not AWS.")
    region: str | None = None
    access_key_variable: str | None = Field(
        default=None, description="Absent: boto3 looks for credentials as usual."
    )
    secret_key_variable: str | None = None
    timeout_seconds: int = Field(default=30, ge=1)
    attempts: int = Field(default=5, ge=1)

    @field_validator("endpoint")
    @classmethod
    def endpoint_is_an_address(cls, value: str | None) -> str | None:
        """Refuse an address that names no host or carries a secret."""
        return _checked_address(value)

    @model_validator(mode="after")
    def credentials_are_whole(self) -> Self:
        """Refuse half of a pair, with which boto3 would look for other credentials."""
        if (self.access_key_variable is None) != (self.secret_key_variable is None):
            raise ValueError("give both of `access_key_variable` and `secret_key_variable`")
        return self


class SqlPlace(Strict):
    """A query in a database, read from its cursor on."""

    driver: Literal["postgresql", "sqlite"] = "postgresql"
    uri_variable: str = Field(description="Environment variable with the connection URI.")
    query: str
    cursor: str = Field(description="Column of the query that only rises for new rows.")
    overlap_seconds: int = Field(
        default=0, ge=0, description="Read again so far behind the cursor: rows that came late."
    )
    timeout_seconds: int = Field(default=600, ge=1)
    attempts: int = Field(default=5, ge=1)


def address_fault(url: str) -> str | None:
    """What is wrong with the address of an API, as the end of a sentence; None if nothing is."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises where the port is no number)
    except ValueError:
        return "cannot be read as a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must begin with http:// or https:// and name a host"
    if "@" in parts.netloc:
        return "must not carry a user or a secret; name them in `auth`"
    if "#" in url:
        return "must not have a part after #; servers never see it"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "must have no blanks and no letters outside ASCII; write them as %XX"
    return None


def _checked_address(url: str | None) -> str | None:
    fault = None if url is None else address_fault(url)
    if fault is not None:
        raise ValueError(f"a URL {fault}")
    return url


class HttpAuth(Strict):
    """How a call proves who makes it."""

    kind: Literal["none", "bearer", "key", "basic"] = "none"
    secret_variable: str | None = None
    user: str | None = Field(default=None, description="For basic.")
    header: str = Field(
        default="X-API-Key", pattern=r"^[A-Za-z0-9_-]+$", description="Header that takes a key."
    )

    @model_validator(mode="after")
    def complete(self) -> Self:
        """Refuse a kind without its secret or user, and a secret that no kind sends."""
        if (self.kind == "none") != (self.secret_variable is None):
            raise ValueError("every kind but none needs `secret_variable`, and none takes none")
        if (self.kind == "basic") != (self.user is not None):
            raise ValueError("kind basic needs `user`, and no other kind takes one")
        if self.user is not None and (":" in self.user or not self.user.isprintable()):
            raise ValueError("`user` cannot hold a colon or an unprintable character")
        return self


class HttpPages(Strict):
    """How the next page is asked for."""

    kind: Literal["none", "page", "offset", "cursor", "link"] = "none"
    parameter: str | None = Field(
        default=None, description="Query parameter that is advanced: for page, offset, cursor."
    )
    size_parameter: str | None = None
    size: int = Field(default=1000, ge=1, description="Sent as `size_parameter`, if one is given.")
    first: int = Field(default=1, ge=0, description="Number of the first page; for page.")
    next: str | None = Field(
        default=None,
        description="Key path of the next cursor or link in the answer; a link without one is "
        "taken from the Link header.",
    )
    empty_is_last: bool = Field(
        default=False,
        description="Cursor and link: an empty page is the end though it names a next one.",
    )
    total: str | None = Field(
        default=None,
        description="Key path of the count of all records: it must be what was read.",
    )

    @model_validator(mode="after")
    def fields_fit_kind(self) -> Self:
        """Refuse a kind without what it needs, and fields it would not use."""
        needs = {
            "none": set(),
            "page": {"parameter"},
            "offset": {"parameter"},
            "cursor": {"parameter", "next"},
            "link": set(),
        }[self.kind]
        takes = {
            "none": set(),
            "page": {"first"},
            "offset": set(),
            "cursor": {"empty_is_last"},
            "link": {"next", "empty_is_last"},
        }[self.kind]
        if missing := {name for name in needs if getattr(self, name) is None}:
            raise ValueError(f"pages of kind {self.kind} need {', '.join(sorted(missing))}")
        own = {"parameter", "next", "first", "empty_is_last"}
        if wrong := (self.model_fields_set & own) - needs - takes:
            raise ValueError(f"pages of kind {self.kind} take no {', '.join(sorted(wrong))}")
        return self


class HttpPlace(Strict):
    """A JSON API that lists records."""

    url: str
    items: str = Field(default="", description="Key path of the list; empty: the answer itself.")
    parameters: dict[str, str] = {}
    auth: HttpAuth = HttpAuth()
    pages: HttpPages = HttpPages()
    since_parameter: str | None = Field(
        default=None, description="Query parameter that takes the cursor of the last pull."
    )
    cursor: str | None = Field(
        default=None,
        description="Key path in a record of an instant with its offset, or a number, that only "
        "rises.",
    )
    overlap_seconds: int = Field(
        default=0, ge=0, description="Asked again so far behind the cursor: records that came late."
    )
    timeout_seconds: int = Field(default=30, ge=1)
    attempts: int = Field(default=5, ge=1)
    max_pages: int = Field(default=100_000, ge=1)
    max_page_bytes: int = Field(default=64 * 1024**2, ge=1, description="Unpacked, per answer.")

    _url = field_validator("url")(_checked_address)

    @model_validator(mode="after")
    def fields_fit(self) -> Self:
        """Refuse half a cursor, keys of an answer that is a bare list, and a parameter twice."""
        if (self.since_parameter is None) != (self.cursor is None):
            raise ValueError("give `since_parameter` and `cursor` together or neither")
        if self.items == "" and (self.pages.next or self.pages.total):
            raise ValueError("an answer that is the list itself has no key for `next` or `total`")
        named = [name for name, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True)]
        own = (self.since_parameter, self.pages.parameter, self.pages.size_parameter)
        named += [*self.parameters, *(name for name in own if name is not None)]
        if twice := {name for name in named if named.count(name) > 1}:
            raise ValueError(f"query parameters are given twice: {', '.join(sorted(twice))}")
        return self


class Completeness(Strict):
    """How the source itself states a day's count and sum, apart from our reading of it."""

    property: str | None = Field(default=None, description="Number that is added up.")
    settled_days: int = Field(
        default=1, ge=0, description="A day is compared when it ended so many days ago."
    )
    days: int = Field(default=35, ge=1, description="How far back days are compared.")
    control: str | None = Field(
        default=None,
        description="Files and S3: pattern of control files (CSV: day, count, sum), which are "
        "not read as usage.",
    )
    query: str | None = Field(
        default=None, description="SQL: gives day, count and sum; absent: made from the query."
    )
    url: str | None = Field(
        default=None,
        description="HTTP: lists objects with day, events (or count) and total (or sum); asked "
        "with parameters from and to. It must be of the server that has the records.",
    )

    _url = field_validator("url")(_checked_address)


class Source(Strict):
    """One logical source of usage; its key in `sources` is the `source` of its events."""

    connector: Literal["files", "s3", "sql", "http"] = "files"
    folder: str | None = Field(default=None, description="Default: landing/<source>.")
    s3: S3Place | None = None
    sql: SqlPlace | None = None
    http: HttpPlace | None = None
    pattern: str = "*"
    format: Literal["csv", "ndjson", "parquet", "xlsx"] | None = None
    delimiter: str = ","
    sheet: str | None = Field(default=None, description="Sheet of a workbook; default its first.")
    id: Identity = Identity(columns=("id",))
    on_conflict: Literal["block", "supersede"] = "block"
    map: Mapping = Mapping()
    completeness: Completeness | None = None

    @field_validator("id", mode="before")
    @classmethod
    def short_forms(cls, value: Any) -> Any:
        """`id: row` and `id: some_column` are short for the long forms."""
        if value == "row":
            return {"row": True}
        if isinstance(value, str):
            return {"columns": [value]}
        return value

    @model_validator(mode="after")
    def action_has_an_id(self) -> Self:
        """Refuse actions where an event is known by its content alone: none could name it."""
        if self.map.action is not None and self.id.row:
            raise ValueError("`map.action` needs an id that names an event, and `id: row` is none")
        return self

    @model_validator(mode="after")
    def place_fits_connector(self) -> Self:
        """Refuse a connector without its place, and the place of another."""
        given = {kind for kind in ("s3", "sql", "http") if getattr(self, kind) is not None}
        wanted = {self.connector} - {"files"}
        if given != wanted:
            listed = ", ".join(sorted(given)) or "none"
            needed = f"section `{self.connector}`" if wanted else "none of sections s3, sql, http"
            raise ValueError(
                f"connector {self.connector!r} needs {needed} and no other; given: {listed}"
            )
        return self

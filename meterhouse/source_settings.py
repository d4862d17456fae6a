"""What `meterhouse.yaml` says about one source: where it is, how its records become events.

Secrets are never in the file: a field that ends in `_variable` names the environment variable
that holds one.
"""

from typing import Any, Literal, Self

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


class HttpAuth(Strict):
    """How a call proves who makes it."""

    kind: Literal["none", "bearer", "key", "basic"] = "none"
    secret_variable: str | None = None
    user: str | None = Field(default=None, description="For basic.")
    header: str = Field(default="X-API-Key", description="For key.")


class HttpPages(Strict):
    """How the next page is asked for."""

    kind: Literal["none", "page", "offset", "cursor", "link"] = "none"
    parameter: str | None = Field(default=None, description="Query parameter that is advanced.")
    size_parameter: str | None = None
    size: int = Field(default=1000, ge=1)
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    next: str | None = Field(
        default=None, description="Key path of the next cursor or link in the answer."
    )


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
    cursor: str | None = Field(default=None, description="Key of a record that only rises.")
    overlap_seconds: int = Field(default=0, ge=0)
    timeout_seconds: int = Field(default=30, ge=1)
    attempts: int = Field(default=5, ge=1)
    max_pages: int = Field(default=100_000, ge=1)
    max_page_bytes: int = Field(default=64 * 1024**2, ge=1)


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
    url: str | None = Field(default=None, description="HTTP: lists day, count and sum.")


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

"""What differs from one database to the next; a new driver is one more entry of DIALECTS.

Every value is turned into text by the database itself. That is exact where the driver's own types
are not (its timestamps wrap around at `infinity`), and no slower.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from connectors.limits import MIB
from connectors.spelling import why_not
from meterhouse.errors import UsageError

CONNECT_SECONDS = 30
_VALUE = "meterhouse.value_"


def identifier(name: str) -> str:
    """A column's name in quotes."""
    return '"' + name.replace('"', '""') + '"'


class Dialect(ABC):
    """How one database is reached and asked; `kind` is the SQL type of a cursor."""

    package: str  # of the ADBC driver

    def driver(self) -> str:
        """The path of the ADBC driver."""
        try:
            return str(import_module(self.package)._driver_path())
        except ModuleNotFoundError as error:
            name = self.package.replace("_", "-")
            raise UsageError(
                f"Package {name} is not installed, and a source of connector 'sql' needs it. "
                "Install it and run the command again; nothing was changed."
            ) from error

    @abstractmethod
    def uri(self, given: str, seconds: int) -> str:
        """The given URI with its time-outs, in seconds."""

    @abstractmethod
    def session(self, seconds: int) -> Sequence[str]:
        """Statements that make the transaction one read-only snapshot with a time-out."""

    @abstractmethod
    def statement_options(self) -> dict[str, str]:
        """Options of every statement: what bounds the memory of a batch."""

    @abstractmethod
    def cursor_kind(self, kind: pa.DataType) -> str | None:
        """The SQL type of a cursor by the Arrow type of its maximum; None where it has none."""

    def bound(self, cursor: Any, values: Sequence[str]) -> list[str] | None:
        """Bind the texts that `parameter` names; returns those that go with the query itself."""
        return list(values) or None

    @abstractmethod
    def parameter(self, number: int, kind: str) -> str:
        """The text bound as parameter `number` (from 1), as a value of the cursor's type."""

    @abstractmethod
    def lowest(self, first: str, second: str) -> str:
        """The lower of two values."""

    @abstractmethod
    def earlier(self, value: str, kind: str, seconds: int) -> str | None:
        """A cursor's value some seconds before; None where its type is no time."""

    @abstractmethod
    def text(self, column: str) -> str:
        """A quoted column as the text that `texts` understands."""

    def texts(self, column: pa.Array) -> tuple[pa.Array, str | None]:
        """The fetched column as nullable strings, and why it has none, if so."""
        return column, None

    def why_not(self, field: pa.Field) -> str | None:
        """Why a column of the query has no text, as the end of a sentence; None when it has."""
        return None

    @abstractmethod
    def day(self, column: str) -> str:
        """The UTC day of a time as the database's own date."""

    @abstractmethod
    def day_parameter(self, number: int) -> str:
        """The `YYYY-MM-DD` bound as parameter `number`, comparable with `day`."""

    @abstractmethod
    def total(self, column: str) -> str:
        """The exact sum of a column, as text; `inexact` where it has none."""


class Postgresql(Dialect):
    """PostgreSQL 12 and later."""

    package = "adbc_driver_postgresql"
    _CURSORS = (
        (types.is_integer, "bigint"),
        (types.is_string, "text"),
        (types.is_date, "date"),
        (lambda kind: types.is_timestamp(kind) and kind.tz is None, "timestamp"),
        (types.is_timestamp, "timestamptz"),
        (lambda kind: "type_name=numeric," in str(kind), "numeric"),
    )

    def uri(self, given: str, seconds: int) -> str:
        wait = min(seconds, CONNECT_SECONDS)
        # The server watches its own time-out; these watch for a server that is gone.
        wanted = {
            "connect_timeout": wait,
            "keepalives_idle": wait,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 1000 * (wait + CONNECT_SECONDS),
        }
        added = [f"{key}={value}" for key, value in wanted.items() if f"{key}=" not in given]
        if "://" not in given:
            return " ".join([given, *added])
        return given + ("&" if "?" in given else "?") + "&".join(added)

    def session(self, seconds: int) -> Sequence[str]:
        return (
            "set transaction isolation level repeatable read, read only",
            f"set local statement_timeout = {1000 * seconds}",
            f"set local idle_in_transaction_session_timeout = {1000 * seconds}",
            # Whatever the role is set to: these decide how values are spelled.
            "set local timezone = 'UTC'",
            "set local datestyle = 'ISO'",
            "set local extra_float_digits = 1",
            "set local client_encoding = 'UTF8'",
        )

    def statement_options(self) -> dict[str, str]:
        # Small enough that a row group of Parquet, one for each batch, is no matter.
        return {"adbc.postgresql.batch_size_hint_bytes": str(8 * MIB)}

    def cursor_kind(self, kind: pa.DataType) -> str | None:
        return next((name for fits, name in self._CURSORS if fits(kind)), None)

    def bound(self, cursor: Any, values: Sequence[str]) -> list[str] | None:
        # As settings of the transaction: the driver holds the whole answer of a query that has
        # parameters of its own in memory, and streams only that of one without.
        for number, value in enumerate(values, 1):
            cursor.execute(f"select set_config('{_VALUE}{number}', $1, true)", [value])
            cursor.fetchall()
        return None

    def parameter(self, number: int, kind: str) -> str:
        return f"cast(current_setting('{_VALUE}{number}') as {kind})"

    def lowest(self, first: str, second: str) -> str:
        return f"least({first}, {second})"

    def earlier(self, value: str, kind: str, seconds: int) -> str | None:
        if not kind.startswith("timestamp"):
            return None
        return f"{value} - interval '{int(seconds)} seconds'"

    def text(self, column: str) -> str:
        return f"cast({column} as text)"

    def why_not(self, field: pa.Field) -> str | None:
        if getattr(field.type, "extension_name", None) == "arrow.uuid":
            return None
        reason = why_not(field.type)
        return None if reason is None else f"{reason.split(';')[0]}; select it as `::text`"

    def day(self, column: str) -> str:
        return f"cast(cast({column} as timestamptz) as date)"

    def day_parameter(self, number: int) -> str:
        return self.parameter(number, "date")

    def total(self, column: str) -> str:
        # By its text: a float8 cast to numeric at once is cut to 15 digits.
        return f"cast(sum(cast(cast({column} as text) as numeric)) as text)"


class Sqlite(Dialect):
    """A file of SQLite, opened read-only; it waits for a lock and has no other time-out.

    Values have types of their own here and columns have not, and the driver takes a column's type
    from its first rows. So each value comes as text behind a mark: '' null, '=' value, '!' bytes.
    """

    package = "adbc_driver_sqlite"

    def uri(self, given: str, seconds: int) -> str:
        uri = given if given.startswith("file:") else "file:" + quote(given)
        return uri if "mode=" in uri else uri + ("&" if "?" in uri else "?") + "mode=ro"

    def session(self, seconds: int) -> Sequence[str]:
        return (f"pragma busy_timeout = {1000 * seconds}",)

    def statement_options(self) -> dict[str, str]:
        return {"adbc.sqlite.query.batch_rows": "4096"}

    def cursor_kind(self, kind: pa.DataType) -> str | None:
        if types.is_integer(kind):
            return "integer"
        return "text" if types.is_string(kind) else None

    def parameter(self, number: int, kind: str) -> str:
        return f"cast(?{number} as {kind})"

    def lowest(self, first: str, second: str) -> str:
        return f"min({first}, {second})"

    def earlier(self, value: str, kind: str, seconds: int) -> str | None:
        return None

    def text(self, column: str) -> str:
        return (
            f"case typeof({column}) when 'null' then '' when 'blob' then '!' "
            f"else '=' || cast({column} as text) end"
        )

    def texts(self, column: pa.Array) -> tuple[pa.Array, str | None]:
        if pc.any(pc.equal(column, "!")).as_py():
            return column, "holds bytes; select them as text"
        found = pc.if_else(pc.equal(column, ""), None, pc.utf8_slice_codeunits(column, 1))
        return found, None

    def day(self, column: str) -> str:
        return f"date({column})"

    def day_parameter(self, number: int) -> str:
        return f"?{number}"

    def total(self, column: str) -> str:
        exact = f"sum(typeof({column}) not in ('integer', 'null')) = 0"
        return f"case when {exact} then cast(sum({column}) as text) else 'inexact' end"


DIALECTS: dict[str, Dialect] = {"postgresql": Postgresql(), "sqlite": Sqlite()}

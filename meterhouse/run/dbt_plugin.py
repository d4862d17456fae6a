"""Gives dbt's connections the extensions of our wheels, so that nothing is downloaded."""

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from meterhouse.duck import prepare


class Plugin(BasePlugin):
    """Loads the extensions before the lake is attached."""

    def configure_connection(self, conn: Any) -> None:
        """Called by dbt-duckdb with each new connection."""
        prepare(conn)

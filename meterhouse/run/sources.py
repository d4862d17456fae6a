"""The connector of each source, as the settings name it."""

from connectors.delimited import CsvDialect
from connectors.files import FilesSource
from connectors.formats import Reading
from connectors.limits import Limits
from connectors.protocols import UsageSource
from meterhouse.settings import Settings
from meterhouse.source_settings import Source


def open_source(settings: Settings, name: str) -> UsageSource:
    """The connector of a source; a local one reads from its landing folder."""
    source = settings.source(name)
    if source.s3 is not None:
        from connectors.s3 import S3Source

        return S3Source(
            name,
            source.s3,
            settings.spool(name),
            credentials=_credentials(settings, source),
            pattern=source.pattern,
            reading=reading_of(settings, source),
            control=None if source.completeness is None else source.completeness.control,
        )
    if source.sql is not None:
        from connectors.sql import SqlSource

        uri = settings.secret(source.sql.uri_variable)
        return SqlSource(
            name,
            source.sql,
            settings.spool(name),
            uri=uri,
            reading=reading_of(settings, source),
            completeness=source.completeness,
            time_column=source.map.time.column,
            sum_column=_sum_column(source),
        )
    if source.http is not None:
        from connectors.http_api import HttpSource

        variable = source.http.auth.secret_variable
        secret = settings.secret(variable) if variable else None
        return HttpSource(
            name,
            source.http,
            settings.spool(name),
            secret=secret,
            reading=reading_of(settings, source),
            completeness=source.completeness,
        )
    folder = settings.landing(name)
    folder.mkdir(parents=True, exist_ok=True)
    return FilesSource(
        name,
        folder,
        pattern=source.pattern,
        reading=reading_of(settings, source),
        control=None if source.completeness is None else source.completeness.control,
    )


def reading_of(settings: Settings, source: Source) -> Reading:
    """How the files of a source are read, within the limits of the home."""
    limits = Limits(
        max_bytes_unpacked=settings.file.limits.max_bytes_unpacked,
        max_ratio=settings.file.limits.max_ratio,
    )
    return Reading(source.format, limits, CsvDialect(delimiter=source.delimiter), source.sheet)


def _sum_column(source: Source) -> str | None:
    """The column of the property that completeness adds up, if it names one."""
    wanted = None if source.completeness is None else source.completeness.property
    return (source.map.data or {}).get(wanted, wanted) if wanted is not None else None


def _credentials(settings: Settings, source: Source) -> tuple[str, str] | None:
    place = source.s3
    if place is None or place.access_key_variable is None or place.secret_key_variable is None:
        return None
    return settings.secret(place.access_key_variable), settings.secret(place.secret_key_variable)

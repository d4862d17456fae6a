"""Files that land start a load."""

import dagster as dg

from assets.resources import Home
from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.errors import MeterhouseError
from meterhouse.settings import Settings
from pipelines.jobs import ingest


@dg.sensor(job=ingest, minimum_interval_seconds=30)
def landing(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """Start a load when the listing of the landing folders has changed since the last look."""
    try:
        settings = home.settings()
        listing = _listing(settings)
    except MeterhouseError as error:
        return dg.SkipReason(str(error))
    digest = sha256_text(canonical_json(listing))
    if not listing or digest == context.cursor:
        return dg.SkipReason("No file has landed since the last look.")
    today = settings.now().date().isoformat()
    request = dg.RunRequest(
        run_key=f"landing-{digest[:16]}", partition_key=today, tags={"files": str(len(listing))}
    )
    return dg.SensorResult([request], cursor=digest)


def _listing(settings: Settings) -> list[list[str]]:
    """Source, name, size and time of change of every file; the content is hashed by the load."""
    found = []
    for source in sorted(settings.file.sources):
        folder = settings.landing(source)
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_file() and not path.name.startswith("."):
                status = path.stat()
                found.append([source, path.name, str(status.st_size), str(status.st_mtime_ns)])
    return found

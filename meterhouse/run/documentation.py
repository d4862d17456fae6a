"""dbt's pages on a home: every model and source, its columns in words, and what is made of what."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from meterhouse.durable import make_folder
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.context import Run
from meterhouse.run.dbt import document
from meterhouse.warehouse import Warehouse

PAGE = Path("docs") / "index.html"


def write_pages(lake: Lake) -> Path:
    """Write `docs/index.html` of the home and return it; it needs no server and no network.

    dbt looks at a copy of what was published: neither the warehouse nor its lock is touched.
    """
    settings = lake.settings
    if not settings.published.is_file():
        raise UsageError(
            "Nothing has been published yet, so there are no tables to describe. "
            "Run `meterhouse run --through DATE` first."
        )
    make_folder(settings.temporary, settings.home)
    with TemporaryDirectory(dir=settings.temporary) as folder:
        copy = Path(folder) / settings.warehouse.name
        shutil.copyfile(settings.published, copy)
        made = document(_run_of(Warehouse(lake, copy)))
        page = settings.home / PAGE
        make_folder(page.parent, settings.home)
        made.replace(page)
    return page


def _run_of(warehouse: Warehouse) -> Run:
    """The run that the copy shows."""
    pin = warehouse.lake.head()
    with warehouse.connect(pin) as db:
        row = db.execute("select through, known_at from ops.run").fetchone()
    if row is None:
        raise UsageError("The published copy holds no run. Run `meterhouse run --through DATE`.")
    return Run(warehouse, row[0], pin, int(row[1]), is_dry=True)

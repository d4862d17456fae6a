"""A warehouse of its own for work that must not touch the one people read."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from meterhouse.lake import Lake
from meterhouse.run.context import Run
from meterhouse.run.origin import is_of_this_code
from meterhouse.run.pinning import pin_run
from meterhouse.warehouse import Warehouse


@contextmanager
def scratch_run(lake: Lake, through: date, known_at: int, *, copy: bool = False) -> Iterator[Run]:
    """A dry run on a scratch warehouse, removed afterwards.

    `copy` starts from the present warehouse: right only where the run knows all that it knows.
    """
    folder = lake.settings.temporary / f"scratch-{known_at}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    main = Warehouse(lake)
    warehouse = Warehouse(lake, folder / main.path.name)
    if copy and main.path.exists() and is_of_this_code(main):
        shutil.copyfile(main.path, warehouse.path)
    run = Run(warehouse, through, lake.head(), known_at, is_dry=True)
    try:
        with warehouse.connect(run.pin, known_at) as db:
            pin_run(run, db)
        yield run
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""What may be wrong with a home or an installation, each with its remedy."""

import importlib.metadata
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from meterhouse.cli.app import App, Command
from meterhouse.errors import Busy, Corrupt, MeterhouseError

if TYPE_CHECKING:
    from meterhouse.lake import Lake
    from meterhouse.settings import Settings

DAMAGED = 6
ENOUGH_BYTES = 2 * 1024**3
GIB = 1024**3


class Finding(NamedTuple):
    """One line of the report; `remedy` is empty where nothing is wrong."""

    name: str
    status: Literal["ok", "warn", "fail"]
    sentence: str
    remedy: str = ""
    is_damage: bool = False


@click.command(cls=Command)
@click.option("--verify", is_flag=True, help="Look at everything that `verify` looks at, too.")
@click.option("--sweep", is_flag=True, help="Delete what killed commits left behind.")
@click.pass_context
def doctor(context: click.Context, verify: bool, sweep: bool) -> None:
    """Check the installation and the home.

    Ends with 0 if nothing fails, 6 if data is damaged, 1 if anything else fails.
    """
    app = context.find_object(App) or App()
    findings = list(_examined(app, verify, sweep))
    counts = dict.fromkeys(("ok", "warn", "fail"), 0)
    for one in findings:
        counts[one.status] += 1

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        rows = [(one.status, one.name, one.sentence, one.remedy) for one in findings]
        console.print(table(["", "what", "found", "remedy"], rows))

    app.show({"counts": counts, "findings": [_as_dict(one) for one in findings]}, render)
    if any(one.is_damage for one in findings):
        context.exit(DAMAGED)
    if counts["fail"]:
        context.exit(1)


def _as_dict(one: Finding) -> dict[str, str]:
    return {"name": one.name, "status": one.status, "found": one.sentence, "remedy": one.remedy}


def _examined(app: App, verify: bool, sweep: bool) -> Iterator[Finding]:
    yield _python()
    yield from _versions()
    yield _guarded("extensions", _extensions)
    try:
        settings = app.settings
    except MeterhouseError as error:
        yield Finding("home", "fail", str(error), "See the sentence.")
        return
    yield _guarded("home", lambda: _home(settings))
    yield _guarded("disk", lambda: _disk(settings))
    for lock in ("run", "write"):
        yield _lock(settings, lock)
    lake = _guarded("lake", lambda: _lake(app.lake))
    yield lake
    if lake.status != "ok":
        return
    yield _guarded("last run", lambda: _last_run(app.lake))
    yield _guarded("published copy", lambda: _published(app))
    yield _guarded("second rater", lambda: _second_rater(app))
    if sweep:
        yield _guarded("orphans", lambda: _swept(app.lake))
    if verify:
        yield from _verified(app.lake)


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    """A look that fails is a finding too: the doctor always ends its round."""
    try:
        return look()
    except Corrupt as error:
        return Finding(name, "fail", str(error), "Restore the file.", is_damage=True)
    except Exception as error:  # Whatever is broken is what the doctor is asked about.
        remedy = "See the sentence." if isinstance(error, MeterhouseError) else "Repair or restore."
        return Finding(name, "fail", f"{type(error).__name__}: {error}", remedy)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info < (3, 15):
        return Finding("python", "ok", version)
    return Finding("python", "fail", version, "Use Python 3.11 to 3.14.")


def _versions() -> Iterator[Finding]:
    """Engines that pyproject pins exactly must be there in exactly that version."""
    from meterhouse.run.context import ENGINES

    asked = importlib.metadata.requires("meterhouse") or []
    exact = (re.match(r"([\w.-]+)==([\w.]+)", one) for one in asked)
    pins = {found[1]: found[2] for found in exact if found}
    for name in sorted({*ENGINES, *pins}):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "fail", "not installed", f"Install {name}.")
            continue
        pin = pins.get(name, version)
        if version == pin:
            yield Finding(name, "ok", version)
        else:
            yield Finding(name, "fail", f"{version}, tested with {pin}", f"Install {name}=={pin}.")


def _extensions() -> Finding:
    import duckdb

    from meterhouse.duck import EXTENSIONS, prepare

    with duckdb.connect(":memory:") as db:
        prepare(db)
    return Finding("extensions", "ok", ", ".join(EXTENSIONS) + " load")


def _home(settings: "Settings") -> Finding:
    trial = settings.home / f".doctor-{uuid.uuid4().hex}"
    trial.write_text("")
    trial.unlink()
    sources = ", ".join(sorted(settings.file.sources)) or "none"
    return Finding("home", "ok", f"{settings.home} can be written; sources: {sources}")


def _disk(settings: "Settings") -> Finding:
    free = shutil.disk_usage(settings.home).free
    text = f"{free // GIB} GiB free"
    if free >= ENOUGH_BYTES:
        return Finding("disk", "ok", text)
    return Finding("disk", "warn", text, "Free space: runs spill into tmp/ and copy the warehouse.")


def _lock(settings: "Settings", name: str) -> Finding:
    from meterhouse.locks import FileLock

    path = settings.home / "locks" / f"{name}.lock"
    if not path.exists():
        return Finding(f"{name} lock", "ok", "free")
    try:
        with FileLock(path, name, 0).held():
            return Finding(f"{name} lock", "ok", "free")
    except Busy:
        pid = path.read_text().strip() or "unknown"
        remedy = "Wait for it; the lock frees itself when the process ends."
        return Finding(f"{name} lock", "warn", f"held by process {pid}", remedy)


def _lake(lake: "Lake") -> Finding:
    pin = lake.head()
    return Finding("lake", "ok", f"opens; last batch {pin.batch_seq}, snapshot {pin.snapshot}")


def _last_run(lake: "Lake") -> Finding:
    with lake.reading() as db:
        row = db.execute(
            "select run_id, content->>'$.through', content->>'$.known_at' from facts.manifests "
            "order by batch_seq desc, row_no desc limit 1"
        ).fetchone()
    if row is None:
        return Finding("last run", "warn", "none yet", "`meterhouse run --through DATE`.")
    return Finding("last run", "ok", f"{row[0][:8]} through {row[1]}, knew up to batch {row[2]}")


def _second_rater(app: App) -> Finding:
    from meterhouse.cli.sql import opened
    from meterhouse.run.second_rating import spelled, standing

    is_on = app.settings.file.second_rater
    if not is_on or not app.settings.published.is_file():
        remedy = "" if is_on else "Remove the line, so that amounts are proved before issuing."
        told = {"is_on": is_on, "compared": 0, "not_covered": {}}
        return Finding("second rater", "ok" if is_on else "warn", spelled(told), remedy)
    with opened(app) as db:
        return Finding("second rater", "ok", spelled(standing(db)))


def _published(app: App) -> Finding:
    from meterhouse.cli.sql import opened, published_batch

    if not app.settings.published.is_file():
        return Finding("published copy", "warn", "none yet", "`meterhouse run --through DATE`.")
    with opened(app) as db:
        batch = published_batch(db)
    head = app.lake.head().batch_seq
    text = f"shows batch {batch} of {head}"
    if batch == head:
        return Finding("published copy", "ok", text)
    return Finding("published copy", "warn", text, "The next run publishes the rest.")


def _swept(lake: "Lake") -> Finding:
    removed = lake.sweep()
    return Finding("orphans", "ok", f"{len(removed)} deleted" if removed else "none")


def _verified(lake: "Lake") -> Iterator[Finding]:
    from meterhouse.run.verifying import verify

    for look in verify(lake):
        for fault in look.faults:
            status: Literal["warn", "fail"] = "fail" if fault.is_damage else "warn"
            yield Finding(look.name, status, fault.sentence, fault.remedy, fault.is_damage)
        if not look.faults:
            yield Finding(look.name, "ok", look.seen)

"""Make a home: settings, folders and an empty lake."""

import shutil
from pathlib import Path

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.errors import UsageError

TEMPLATE = """\
# The settings of this Meterhouse home. Unknown keys are refused.
# Prices, customers and contracts are documents in book/, recorded by `meterhouse apply`.

# Where usage comes from; the key is the name by which events are known for good.
# Files of a source wait in landing/<source>/ until `meterhouse ingest` or `run` loads them.
sources: {}
#  api:                        # CloudEvents, one JSON object per line, need no mapping
#    format: ndjson            # csv | ndjson | parquet
#  requests:
#    format: csv
#    id: request_id            # column(s) that name an event, or `row`: the whole row
#    on_conflict: block        # the same id with other values: block | supersede
#    map:
#      type: {value: llm_request}            # one fixed value ...
#      subject: {column: account}            # ... or a column: customer id, external id, alias
#      time: {column: finished_at, zone: UTC}
#      data: {context_tokens: ContextTokens} # property: column

# limits: {max_bytes_unpacked: 17179869184, max_ratio: 100}
# future_tolerance_hours: 24   # events further ahead than this are quarantined
# memory_limit: 1GB            # of the engine; larger work spills into tmp/
# threads: 2                   # default: every core
# second_rater: false          # do not rate each line a second time before it is issued
# orphan_age_hours: 24         # unregistered files of killed commits are swept after this
"""


@click.command(cls=Command)
@click.option("--example", metavar="NAME", help="Start from an example, such as azure.")
@pass_app
def init(app: App, example: str | None) -> None:
    """Make a home; done again it changes nothing.

    \b
    meterhouse --home acme init
    meterhouse --home trial init --example azure
    """
    folder = app.folder()
    made = _copy_example(folder, example) if example else []
    made += _fill(folder)
    app.home = folder
    if app.lake.create():
        made.append("lake/")
    if made:
        app.tell(f"Made the home {folder}. Next: write documents into book/, then `plan`, `apply`.")
    else:
        app.tell(f"{folder} is a home already; nothing was changed.")
    app.show(
        {"home": str(folder), "made": made},
        lambda console: console.print("\n".join(made)) if made else None,
    )


def _fill(folder: Path) -> list[str]:
    made = []
    for name in ("book", "landing"):
        if not (folder / name).is_dir():
            (folder / name).mkdir(parents=True)
            made.append(f"{name}/")
    settings = folder / "meterhouse.yaml"
    if not settings.exists():
        settings.write_text(TEMPLATE)
        made.append(settings.name)
    return made


def _copy_example(folder: Path, name: str) -> list[str]:
    """Copy what is not there yet; a home that was begun otherwise is left alone."""
    source = _examples() / name
    known = sorted(path.name for path in _examples().iterdir() if path.is_dir())
    if name not in known:
        raise UsageError(
            f"There is no example {name!r}; nothing was made. Examples: {', '.join(known)}."
        )
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    missing = [path for path in files if not (folder / path).exists()]
    if len(missing) < len(files) and missing:
        raise UsageError(
            f"{folder} holds other work than the example {name!r}; nothing was changed. "
            "Name a new folder with --home."
        )
    for path in missing:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, folder / path)
    return [path.as_posix() for path in missing]


def _examples() -> Path:
    from meterhouse.installation import PACKAGE

    for folder in (PACKAGE.parent / "examples", PACKAGE / "_examples"):
        if folder.is_dir():
            return folder
    raise UsageError(
        "This installation carries no examples; nothing was made. Run `meterhouse init` without "
        "--example, or take the folder examples/ from the source."
    )

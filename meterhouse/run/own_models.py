"""The home's own dbt models: a folder of SQL, YAML and the files that they read, beside ours."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from meterhouse.errors import MeterhouseError

# The parts of a dbt project, and the name of the home's folder among them.
PROJECT = {"dbt_project.yml", "profiles.yml", "models", "macros", "tests"}
OWN = "own"
SEEDS = {".csv"}
SQL = {".sql"}
State = tuple[tuple[str, int, int], ...]


class ModelsRefused(MeterhouseError):
    """Own dbt models that cannot be used: one sentence per fault."""

    exit_code = 2

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(
            "SQL meters were refused; no model was built and no fact was changed. "
            f"Correct them and run the command again:\n{listed}"
        )


def models_hash(folder: Path | None) -> str:
    """SHA-256 over names and bytes of all files of the folder; empty text without one."""
    return "" if folder is None else _hash(folder, _state(folder))


def own_names(folder: Path) -> dict[str, Path]:
    """The file of each model and seed of a folder, by its name in dbt."""
    return {path.stem: path for path in _files(folder) if path.suffix in SEEDS | SQL}


def refuse_shadows(project: Path, folder: Path) -> None:
    """Refuse own models that are called like ours, and two that are called the same."""
    ours, seen = own_names(project / "models"), dict[str, Path]()
    faults = []
    for path in (one for one in _files(folder) if one.suffix in SEEDS | SQL):
        shown = path.relative_to(folder).as_posix()
        if path.stem in ours:
            faults.append(
                f"{shown} is called {path.stem!r}, as a model of Meterhouse is, which it must not "
                f"replace. Give the file another name, as in my_{path.name}."
            )
        elif path.stem in seen:
            other = seen[path.stem].relative_to(folder).as_posix()
            faults.append(
                f"{other} and {shown} are both called {path.stem!r}, and dbt knows models by their "
                "name alone. Give one of the files another name."
            )
        seen.setdefault(path.stem, path)
    if faults:
        raise ModelsRefused(faults)


def joined(project: Path, folder: Path, target: Path) -> Path:
    """A dbt project of links: all of `project`, and `folder` as `own` beside it; returns it.

    Absolute paths in dbt_project.yml would do, were it not that dbt writes what it compiled to the
    path of the model below its target folder: with an absolute one over the model itself.
    """
    target.mkdir(parents=True, exist_ok=True)
    wanted = {path.name: path for path in project.iterdir() if path.name in PROJECT}
    for name, path in {**wanted, OWN: folder}.items():
        link = target / name
        if not (link.is_symlink() and link.readlink() == path):
            made = target / f".{name}.{os.getpid()}"
            made.unlink(missing_ok=True)
            made.symlink_to(path)
            made.replace(link)
    return target


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _state(folder: Path) -> State:
    """Name, size and time of change of every file: what tells whether to read them again."""
    return tuple((str(path), (s := path.stat()).st_size, s.st_mtime_ns) for path in _files(folder))


@lru_cache(maxsize=64)
def _hash(folder: Path, state: State) -> str:
    digest = hashlib.sha256()
    for name, _, _ in state:
        path = Path(name)
        body = hashlib.sha256(path.read_bytes()).digest()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + body)
    return digest.hexdigest()

"""The published cases and the list of those that are not built yet."""

import json
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).resolve().parents[1]
COMMITTED = TESTS / "vectors"
BASELINE = TESTS / "conformance" / "not_built.txt"
DIFFERENCES = TESTS / "conformance" / "documented_differences.txt"


class NotSupported(Exception):
    """What a case needs that Meterhouse cannot do yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not supported: {what}")


class Suite(NamedTuple):
    """The cases of a folder in order, and the ids that its baseline or our documented differences
    list."""

    cases: tuple[dict[str, Any], ...]
    not_built: frozenset[str]


def load(folder: str | None, baseline: str | None) -> Suite:
    """The suite of a folder, or the committed one."""
    root = Path(folder) if folder else COMMITTED
    if not root.is_dir():
        raise FileNotFoundError(f"--vectors {root} is not a folder.")
    cases = tuple(case for path in sorted(root.rglob("*.json")) for case in _cases(path, root))
    if not cases:
        raise FileNotFoundError(f"--vectors {root} holds no case in any *.json file.")
    listed = baseline or (BASELINE if root.resolve() == COMMITTED else None)
    differences = _ids(DIFFERENCES) & {str(case["id"]) for case in cases}
    return Suite(cases, differences | (_ids(Path(listed)) if listed else frozenset()))


def _cases(path: Path, root: Path) -> list[dict[str, Any]]:
    """The cases of a file; whatever is not a case becomes one that fails, so nothing is dropped."""
    name = path.relative_to(root).as_posix()
    read = json.loads(path.read_text(encoding="utf-8"), parse_float=_refuse_float)
    if not isinstance(read, list):
        return [{"id": name, "kind": "a file that is not a list of cases"}]
    return [
        case if isinstance(case, dict) and "id" in case else {"id": f"{name}[{n}]", "kind": "no id"}
        for n, case in enumerate(read)
    ]


def _refuse_float(text: str) -> None:
    raise ValueError(f"The number {text} is not a string; vectors hold decimals as strings.")


def _ids(path: Path) -> frozenset[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return frozenset(line for line in lines if line)

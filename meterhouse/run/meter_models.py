"""SQL meters among the models of dbt: which they are, what they promise, what is built after them.

A SQL meter is a model tagged `meter`. Ours cannot name it, so the parsed manifest is told that
usage.determinants is made from it.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from meterhouse.run.own_models import OWN, ModelsRefused

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

TAG = "meter"
DETERMINANTS = "model.meterhouse.determinants"
# What every SQL meter yields: a row per window that is asked and combination of dimensions.
COLUMNS = {
    "window_id": "varchar",
    "dimensions": "varchar",
    "event_count": "bigint",
    "quantity": "decimal(38, 12)",
}
SAME_TYPE = {"text": "varchar", "string": "varchar", "int8": "bigint", "long": "bigint"}


def meter_models(manifest: "Manifest") -> dict[str, Any]:
    """The models tagged `meter` by their name."""
    return {
        node.name: node
        for node in _nodes(manifest).values()
        if node.resource_type == "model" and TAG in node.config.tags
    }


def link(manifest: "Manifest") -> None:
    """Have usage.determinants built after all SQL meters; one that reads it is refused."""
    found = meter_models(manifest)
    faults = [_cycle(node, path) for node in found.values() if (path := _way(manifest, node))]
    if faults:
        raise ModelsRefused(faults)
    read = _nodes(manifest)[DETERMINANTS].depends_on.nodes
    read.extend(node.unique_id for node in found.values() if node.unique_id not in read)


def upstream(manifest: "Manifest", names: Mapping[str, Any]) -> list[Any]:
    """The models and seeds of the home that the named models are made from, and they themselves,
    each after what it reads."""
    ordered: dict[str, Any] = {}

    def visit(node: Any) -> None:
        for parent in node.depends_on.nodes if node.resource_type != "seed" else ():
            if parent in manifest.nodes and is_own(manifest.nodes[parent]):
                visit(manifest.nodes[parent])
        ordered.setdefault(node.unique_id, node)

    for name in sorted(names):
        visit(names[name])
    return list(ordered.values())


def is_own(node: Any) -> bool:
    """Whether a model or seed lies in the home's own folder, or is a meter of ours."""
    return str(node.original_file_path).startswith(f"{OWN}/") or TAG in node.config.tags


def contract_faults(node: Any) -> Iterator[str]:
    """What a SQL meter's YAML does not promise, as sentences."""
    if node.config.materialized not in ("table", "view"):
        yield (
            f"it is materialized as {node.config.materialized}, and a meter is a table that is "
            "made anew. Remove `materialized`"
        )
    if not node.config.contract.enforced:
        yield (
            "its contract is not enforced, so that dbt would not compare its columns. Give it, in "
            "a YAML file beside it, `config: {contract: {enforced: true}}`"
        )
    given = {name.lower(): _type(column.data_type) for name, column in node.columns.items()}
    if given != {name: _type(kind) for name, kind in COLUMNS.items()}:
        wanted = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        listed = ", ".join(f"{name} {kind}" for name, kind in given.items()) or "none"
        yield f"its YAML names the columns: {listed}. Name exactly these: {wanted}"


def _nodes(manifest: "Manifest") -> Mapping[str, Any]:
    """The nodes without dbt's types, in which nothing but a model has all that is read here."""
    return manifest.nodes


def _type(name: str | None) -> str:
    plain = (name or "without a type").lower().replace(" ", "")
    return SAME_TYPE.get(plain, plain).replace(",", ", ")


def _way(manifest: "Manifest", meter: Any) -> list[str]:
    """The names from usage.determinants to a meter that is made from it; empty if it is not."""
    seen, waiting = set[str](), [[meter.unique_id]]
    while waiting:
        path = waiting.pop()
        if path[-1] == DETERMINANTS:
            return [one.rsplit(".", 1)[-1] for one in reversed(path)]
        node = manifest.nodes.get(path[-1])
        if node is None or node.unique_id in seen or not hasattr(node, "depends_on"):
            continue
        seen.add(node.unique_id)
        waiting.extend([*path, parent] for parent in getattr(node.depends_on, "nodes", ()))
    return []


def _cycle(meter: Any, path: list[str]) -> str:
    return (
        f"Model {meter.name} reads usage.determinants ({' -> '.join(path)}), which is made from "
        "the meters: neither could be made first. Read the events and the book instead."
    )

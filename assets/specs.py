"""The specs of assets that one step writes together, a partition a day."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from assets.partitions import DAY

Key = tuple[str, str]


def daily_specs(
    tables: Mapping[Key, str],
    deps: Iterable[Sequence[str] | dg.AssetKey],
    *,
    owner: str,
    kinds: set[str],
    group: str | None = None,
) -> list[dg.AssetSpec]:
    """One spec per table with its description; without `group` each is in that of its schema."""
    dependencies = list(deps)
    return [
        dg.AssetSpec(
            list(key),
            deps=dependencies,
            description=description,
            group_name=group or key[0],
            owners=[owner],
            kinds=kinds,
            partitions_def=DAY,
        )
        for key, description in tables.items()
    ]

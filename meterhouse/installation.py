"""What was installed with Meterhouse, and whether another distribution got in its way."""

from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from meterhouse.errors import UsageError

# Generic names: a distribution that ships one of them overwrites ours without a word.
OUR_PACKAGES = ("assets", "connectors", "pipelines")
PACKAGE = Path(__file__).parent


def check(owners: Mapping[str, Iterable[str]] | None = None) -> None:
    """Fail when another distribution ships one of our packages; `owners`: package to shippers."""
    owners = packages_distributions() if owners is None else owners
    clashes = [
        f"{package!r} (also shipped by {', '.join(strangers)})"
        for package in OUR_PACKAGES
        if (strangers := sorted(set(owners.get(package, ())) - {"meterhouse"}))
    ]
    if clashes:
        raise UsageError(
            f"Another distribution has replaced packages of Meterhouse: {'; '.join(clashes)}. "
            "Nothing was run. Install Meterhouse in an environment of its own."
        )


def dbt_project_dir(override: str | None = None) -> Path:
    """The folder of the dbt project: the one asked for, the checkout's, or the packaged copy."""
    if override is not None:
        return _with_project_file(Path(override).resolve(), "METERHOUSE_DBT_PROJECT")
    checkout = PACKAGE.parent / "dbt_project"
    if (checkout / "dbt_project.yml").is_file():
        return checkout
    return _with_project_file(PACKAGE / "_dbt_project", "the installation of Meterhouse")


def _with_project_file(folder: Path, named_by: str) -> Path:
    if (folder / "dbt_project.yml").is_file():
        return folder
    raise UsageError(
        f"There is no dbt_project.yml in {folder}, the folder given by {named_by}. "
        "Nothing was run. "
        "Set METERHOUSE_DBT_PROJECT to a folder that holds the dbt project, or install again."
    )

"""docs/watching.md shows the defaults and names every option."""

import re
from pathlib import Path

from pydantic import BaseModel
from ruamel.yaml import YAML

from meterhouse.run.watching import WATCHES
from meterhouse.settings import HomeFile
from meterhouse.watch_settings import Drop, Ignore, Lateness, SourceWatch, Spike, Watch

TEXT = (Path(__file__).parents[1] / "docs" / "watching.md").read_text()


def example():
    (found,) = re.findall(r"(?ms)^```yaml\n(.*?)^```$", TEXT)
    return HomeFile.model_validate(YAML(typ="safe").load(found)).watch


def test_the_example_says_what_holds_without_it():
    watch, usual = example(), Watch()
    assert (watch.late, watch.drop, watch.spike) == (usual.late, usual.drop, usual.spike)
    assert watch.new_customer_days == usual.new_customer_days
    assert watch.spike_of("storage").above == 50
    assert watch.spike_of("storage").told_days == usual.spike.told_days


def test_every_option_stands_in_the_table():
    def named(prefix: str, model: type[BaseModel]):
        return {f"{prefix}{name}" for name in model.model_fields}

    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("| `"))
    options = {"new_customer_days"} | named("sources.NAME.", SourceWatch)
    for prefix, model in (("late.", Lateness), ("drop.", Drop), ("spike.", Spike)):
        options |= named(prefix, model)
    options |= named("ignore.", Ignore)
    assert options - set(re.findall(r"`([^`]+)`", rows)) == set()


def test_every_watch_stands_in_the_table():
    assert {one.name for one in WATCHES} <= set(re.findall(r"(?m)^\| `(\w+)`", TEXT))

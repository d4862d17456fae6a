"""The examples and option tables of the documents are those of the code."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from connectors.control import read_control
from connectors.limits import Limits
from connectors.origin import Origin
from meterhouse.settings import HomeFile
from meterhouse.source_settings import (
    Completeness,
    FieldFrom,
    HttpAuth,
    HttpPages,
    HttpPlace,
    Mapping,
    S3Place,
    Source,
    SqlPlace,
)

DOCS = Path(__file__).parents[1] / "docs"
SOURCES = (DOCS / "sources.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced examples in a language, in order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", SOURCES)


def examples() -> list[HomeFile]:
    yaml = YAML(typ="safe")
    return [HomeFile.model_validate(yaml.load(text)) for text in blocks("yaml")]


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.splitlines()[1].strip(" :"))
def test_each_example_of_a_source_is_one_that_the_settings_take(text: str) -> None:
    found = HomeFile.model_validate(YAML(typ="safe").load(text))
    assert found.sources


def test_there_is_an_example_of_each_connector_and_of_its_completeness() -> None:
    sources = [source for example in examples() for source in example.sources.values()]
    assert {source.connector for source in sources} == {"files", "s3", "sql", "http"}
    stating = {source.connector for source in sources if source.completeness is not None}
    assert stating >= {"s3", "sql", "http"}
    assert "xlsx" in {source.format for source in sources}


@pytest.mark.parametrize(
    "model",
    [Source, Mapping, FieldFrom, S3Place, SqlPlace, HttpPlace, HttpAuth, HttpPages, Completeness],
)
def test_every_option_is_described(model: type[BaseModel]) -> None:
    named = set(re.findall(r"`([a-z_0-9.]+)", SOURCES)) | set(
        re.findall(r"\b([a-z_0-9]+):", "\n".join(blocks("yaml")))
    )
    last_parts = {name.rpartition(".")[2] for name in named}
    assert set(model.model_fields) - last_parts == set()


def test_every_option_in_a_table_is_one_that_there_is() -> None:
    models = {"source": Source, "s3": S3Place, "sql": SqlPlace, "http": HttpPlace}
    models |= {"completeness": Completeness}
    tables = re.findall(r"(?ms)^\| option of (?:a )?`?(\w+)`? \|.*?\n\n", SOURCES)
    assert sorted(tables) == sorted(models)
    for name, model in models.items():
        [rows] = re.findall(
            rf"(?ms)^\| option of (?:a )?`?{name}`? \|[^\n]*\n\|---.*?\n(.*?)\n\n", SOURCES
        )
        cells = [row.split("|")[1] for row in rows.splitlines()]
        options = {option for cell in cells for option in re.findall(r"`(\w+)`", cell)}
        assert options == set(model.model_fields) - {"s3", "sql", "http"}, name


def test_the_control_file_of_the_example_can_be_read(tmp_path: Path) -> None:
    [text] = blocks("csv")
    (tmp_path / "control.csv").write_text(text)
    found = read_control(Origin("drop", "control.csv"), tmp_path / "control.csv", Limits())
    assert [one.events for one in found] == [120345, 0]

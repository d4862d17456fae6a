"""events amend, void and replace-day: what is shown, asked, refused and recorded."""

import json
import shutil

import pytest

from tests.cli.conftest import Home

DAY = "2023-11-16"
REPLACE = ("events", "replace-day", "--source", "named", "--day", DAY)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A home with three events of a source that has ids."""
    home = Home(tmp_path_factory.mktemp("corrections") / "home")
    assert home.call("init", "--example", "azure").exit_code == 0
    settings = home.folder / "meterhouse.yaml"
    settings.write_text(settings.read_text().replace("sources:", "sources:" + SOURCE.rstrip(), 1))
    usage = home.folder / "usage.csv"
    usage.write_text(CSV)
    home.json("apply", "--yes")
    assert home.json("ingest", usage, "--source", "named")["totals"]["accepted"] == 3
    return home


SOURCE = """
  named:
    map:
      type: {value: llm_request}
      subject: {value: contoso}
      time: {column: at}
      data: {context_tokens: context_tokens, generated_tokens: generated_tokens}
"""
CSV = """\
id,at,context_tokens,generated_tokens
a,2023-11-16T18:15:46Z,374,44
b,2023-11-16T18:15:50Z,396,109
c,2023-11-16T19:15:50Z,1,2
"""


@pytest.fixture
def home(loaded, tmp_path):
    """The loaded home, to be changed."""
    shutil.copytree(loaded.folder, tmp_path / "home")
    return Home(tmp_path / "home")


def amend(*more):
    """A call that sets the tokens of event a."""
    return ("events", "amend", "--source", "named", "--id", "a", "--reason", "r", *more)


def test_an_amendment_shows_before_and_after_and_asks_first(home):
    dry = home.call(*amend("--set", "context_tokens=4", "--dry-run"))
    assert dry.exit_code == 0, dry.stderr
    for told in ('"context_tokens":"374"', '"context_tokens":"4"', "-370", "Dry run, nothing was"):
        assert told in dry.stdout
    unasked = home.call(*amend("--set", "context_tokens=4"))
    assert unasked.exit_code == 2
    assert "Of the events 1 amended would be recorded, and nobody can be asked" in unasked.stderr
    done = home.json(*amend("--set", "context_tokens=4", "--yes"))
    assert (done["amended"], done["batch_seq"], done["is_dry"]) == (1, 3, False)
    assert done["events"][0]["change"] == "amended"
    assert {row["property"]: row["change"] for row in done["totals"]} == {
        None: "0",
        "context_tokens": "-370",
        "generated_tokens": "0",
    }
    # The same again has nothing to ask.
    again = home.call(*amend("--set", "context_tokens=4"))
    assert again.exit_code == 0
    assert "Nothing to change: 0 added, 0 amended, 0 voided, 1 unchanged." in again.stdout


def test_a_file_corrects_many_events_and_an_empty_cell_leaves_a_value(home):
    file = home.folder / "fix.csv"
    file.write_text("id,source,time,context_tokens,generated_tokens\n"
                    "a,,,5,\nb,named,2023-11-17T00:00:00Z,,6\n")  # fmt: skip
    done = home.json(
        "events", "amend", "--source", "named", "--file", file, "--reason", "r", "--yes"
    )
    after = {one["event_id"]: json.loads(one["data_after"]) for one in done["events"]}
    assert after == {
        "a": {"context_tokens": "5", "generated_tokens": "44"},
        "b": {"context_tokens": "396", "generated_tokens": "6"},
    }
    assert done["events"][1]["time_after"] == "2023-11-17T00:00:00+00:00"


def test_events_are_voided_by_id_and_by_file(home):
    done = home.json(
        *("events", "void", "--source", "named", "--id", "a", "--id", "b"),
        *("--reason", "test traffic", "--yes"),
    )
    assert (done["voided"], done["unchanged"]) == (2, 0)
    file = home.folder / "void.csv"
    file.write_text("id,source\na,named\nc,named\n")
    done = home.json("events", "void", "--file", file, "--reason", "r", "--yes")
    assert (done["voided"], done["unchanged"]) == (1, 1)


def test_a_day_is_replaced_and_the_same_file_again_changes_nothing(home):
    file = home.folder / "day.csv"
    file.write_text(CSV.replace("396", "400").replace("c,", "d,"))
    call = ("events", "replace-day", file, "--source", "named", "--day", DAY, "--reason", "r")
    dry = home.json(*call, "--dry-run")
    assert (dry["added"], dry["amended"], dry["voided"], dry["unchanged"]) == (1, 1, 1, 1)
    assert (dry["batch_seq"], dry["is_dry"]) == (None, True)
    assert home.json(*call, "--yes")["batch_seq"] == 3
    again = home.json(*call, "--yes")
    assert (again["batch_seq"], again["unchanged"]) == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (amend("--set", "context_tokens"), "--set 'context_tokens' is not NAME=VALUE"),
        (amend("--set", "x=1", "--set", "x=2"), "--set gives 'x' twice"),
        (amend("--set", "contxt_tokens=1"), "did you mean 'context_tokens'?"),
        (amend("--set", "context_tokens=1e3"), "exponent forms are not exact"),
        (amend("--file", "f.csv", "--set", "x=1"), "Give either --file or --set and --time"),
        (amend("--file", "f.csv"), "Give either --id or --file"),
        (amend(), "is given nothing new"),
        (("events", "void", "--id", "a", "--reason", "r"), "not clear which source"),
        (("events", "void", "--source", "nmaed", "--id", "a", "--reason", "r"), "did you mean"),
        (
            ("events", "void", "--source", "named", "--id", "a", "--id", "nix", "--reason", "r"),
            "event nix of source named is not known",
        ),
        (
            ("events", "void", "--source", "named", "--file", "gone.csv", "--reason", "r"),
            "No such file: gone.csv",
        ),
        (
            (*REPLACE, "gone.csv", "--reason", "r"),
            "No such file: gone.csv",
        ),
    ],
)
def test_a_bad_call_says_what_is_wrong_and_changes_nothing(loaded, arguments, told):
    done = loaded.call(*arguments, "--yes")
    assert done.exit_code == 2
    assert told in done.stderr
    assert "nothing was changed" in done.stderr.lower()
    assert loaded.json("events", "void", "--source", "named", "--id", "a", "--reason", "r",
                       "--dry-run")["voided"] == 1  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\na\n", "has no column id"),
        ("id\n", "names no event"),
        ("id,time\na,2023-01-01T00:00:00Z\n", "columns that a void does not use: time"),
        ("id\na\na,b,c\n", "cannot be read as CSV"),
        ("id,source\n,named\nnix,named\n", "row 2: event nix of source named is not known"),
    ],
)
def test_a_bad_file_is_refused_whole(loaded, tmp_path, text, told):
    file = tmp_path / "void.csv"
    file.write_text(text)
    done = loaded.call("events", "void", "--file", file, "--source", "named", "--reason", "r", "-y")
    assert done.exit_code == 2
    assert told in done.stderr
    assert "docs: errors.md#correctionfault" in done.stderr

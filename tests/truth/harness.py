"""A home with the test book: land records, bill, and read what came of it."""

import json
import shutil
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import admit, begin, bill
from meterhouse.run.checks import run_checks
from meterhouse.run.drafting import make_drafts
from meterhouse.run.ingest import Loaded, ingest
from meterhouse.run.issuing import Issued, issue
from meterhouse.run.manifest import record_manifest
from meterhouse.run.planning import plan_fold
from meterhouse.run.rating import rate_due
from meterhouse.run.steps import resume
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
from meterhouse.schema import FACTS
from meterhouse.settings import Settings

BOOK = Path(__file__).parent / "book"
SETTINGS = {
    "sources": {
        "api": {"format": "ndjson"},
        "rows": {"format": "ndjson", "id": "row"},
        "restated": {"format": "ndjson", "on_conflict": "supersede"},
    },
}
# A whole run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
GREAT_EXPECTATIONS = pytest.mark.filterwarnings(
    "ignore:module 'sre_parse' is deprecated:DeprecationWarning"
)
MONTHS = (date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1))


def read_book():
    """Every document of the test book as plain values, by its slot."""
    yaml = YAML(typ="safe")
    documents = [one for path in sorted(BOOK.glob("*.yaml")) for one in yaml.load_all(path)]
    return {_slot(document): document for document in documents}


def _slot(document):
    return document["kind"], document["id"], document.get("valid_from")


@dataclass
class Outcome:
    """What a run did; drafts and results of checks as dictionaries."""

    run_id: str
    is_dry: bool
    loaded: list[Loaded]
    checks: list[dict] = field(default_factory=list)
    drafts: list[dict] = field(default_factory=list)
    issued: Issued = field(default_factory=lambda: Issued(None, (), ()))

    @property
    def failed(self):
        """Failed blocking checks: name, kind of scope, scope."""
        return {
            (one["check_name"], one["scope_kind"], one["scope_id"])
            for one in self.checks
            if not one["passed"] and one["is_blocking"]
        }

    @property
    def held(self):
        """Contract of each draft that was made and not issued, with the reason."""
        reasons = dict(self.issued.held)
        return {
            one["contract_id"]: reasons[one["draft_id"]]
            for one in self.drafts
            if one["draft_id"] in reasons
        }

    @property
    def billed(self):
        """Contracts of which a draft was issued."""
        reasons = dict(self.issued.held)
        return {d["contract_id"] for d in self.drafts if d["draft_id"] not in reasons}


@dataclass
class Home:
    """One home; `book` holds what was recorded last in each slot."""

    path: Path
    book: dict = field(default_factory=read_book, repr=False)
    files: count = field(default_factory=count, repr=False)

    @classmethod
    def make(cls, path, *changes):
        """A home with the test book recorded as batch 1, with documents changed or added."""
        path.mkdir(parents=True, exist_ok=True)
        with (path / "meterhouse.yaml").open("w") as file:
            YAML().dump(SETTINGS, file)
        home = cls(path.resolve())
        home.lake.create()
        home.record(*changes)
        return home

    @property
    def lake(self):
        return Lake(Settings.load(self.path))

    def copy(self, path):
        """The same home in another folder."""
        shutil.copytree(self.path, path)
        return Home(path.resolve(), dict(self.book))

    def record(self, *documents):
        """Record the documents, each in its slot, and all that was there before."""
        self.book.update({_slot(document): document for document in documents})
        folder = self.path / "book"
        folder.mkdir(exist_ok=True)
        with (folder / "all.yaml").open("w") as file:
            YAML().dump_all(list(self.book.values()), file)
        return apply_book(self.lake)[1]

    def changed(self, kind, id, valid_from=None, **fields):
        """A document of the book with other fields; a field of None is left out."""
        document = {**self.book[kind, id, valid_from], **fields}
        return {name: value for name, value in document.items() if value is not None}

    def land(self, events, name=None):
        """Put the events into the landing folder, one file for each source."""
        for source in sorted({event.source for event in events}):
            folder = self.path / "landing" / source
            folder.mkdir(parents=True, exist_ok=True)
            lines = [event.line for event in events if event.source == source]
            stem = name or f"{next(self.files):04d}-{len(list(folder.iterdir())):04d}"
            (folder / f"{stem}.ndjson").write_text("\n".join([*lines, ""]))

    def load(self, events):
        """Land and ingest one batch for each source; what each did."""
        self.land(events)
        return [one for one in ingest(self.lake) if one.batch_seq is not None]

    def bill(self, through, **options):
        """One whole run, as the command line makes it with --full: every step, also in vain."""
        return bill(self.lake, through, full=True, **options)

    def issue(self, through, spoil=None, known_at=None):
        """A run from landed files to issue, without what decides no amount (marts, published copy).

        `spoil` may change derived tables after the drafts were made and before they are checked.
        """
        lake = self.lake
        with lake.run_lock.held():
            loaded = admit(lake) if known_at is None else []
            with begin(lake, through, known_at, False) as (run, why_dry):
                new = [one for one in loaded if one.batch_seq is not None]
                done = Outcome(run.run_id, run.is_dry, new)
                self._draft(run)
                self._check(run, done, spoil)
                if not why_dry:
                    done.issued = issue(lake, warehouse=run.warehouse)
        return done

    def draft(self, through):
        """A run that ends when its drafts are made, for `judge` to go on from."""
        lake = self.lake
        with lake.run_lock.held():
            admit(lake)
            with begin(lake, through, None, False) as (run, _):
                self._draft(run)

    def judge(self, spoil):
        """What remains of a run after `draft`: spoil derived tables, check, and issue."""
        lake = self.lake
        with lake.run_lock.held():
            run = resume(lake)
            done = Outcome(run.run_id, run.is_dry, [])
            self._check(run, done, spoil)
            done.issued = issue(lake, warehouse=run.warehouse)
        return done

    def _draft(self, run):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)
        with run.warehouse.connect(run.pin, run.known_at) as db:
            rate_due(run, db)
            make_drafts(run, db)

    def _check(self, run, done, spoil):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            if spoil is not None:
                db.execute(spoil)
            done.checks = run_checks(run, db).to_dicts()
            if not run.is_dry:
                record_manifest(run, db)
            done.drafts = db.sql("from billing.drafts").pl().to_dicts()

    def rows(self, sql, parameters=()):
        """Rows of a SELECT over `facts.*`."""
        with self.lake.reading() as db:
            return db.execute(sql, list(parameters)).fetchall()

    def documents(self):
        """Every issued document as values, in the order of their numbers."""
        rows = self.rows("select content from facts.documents order by batch_seq, row_no")
        return [json.loads(row[0]) for row in rows]

    def contents(self):
        """The documents without number and run, as sorted text, and their content hashes."""
        stripped = [{k: v for k, v in one.items() if k != "issue"} for one in self.documents()]
        hashes = self.rows("select content_hash from facts.documents order by 1")
        return sorted(json.dumps(one, sort_keys=True) for one in stripped), hashes

    def sums(self):
        """What was billed in all for each window: amount by contract, item and first day."""
        rows = self.rows(
            "select contract_id, item_id, window_start_on, window_end_on, sum(amount) "
            "from facts.billed_lines group by all"
        )
        return {row[:4]: row[4] for row in rows if row[4]}

    def count_facts(self):
        """Number of rows of every facts table."""
        with self.lake.reading() as db:
            return {
                name: db.execute(f"select count(*) from facts.{name}").fetchone()[0]
                for name in FACTS
            }

    def plant(self, **tables):
        """Commit rows of facts tables as they are; values are texts in the column's type."""

        def write(commit):
            for table, rows in tables.items():
                known = {**commit.lake.columns(commit.db, table)}
                columns = list(dict.fromkeys(name for row in rows for name in row))
                casts = ", ".join(f"cast(? as {known[name]}) as {name}" for name in columns)
                values = [row.get(name) for row in rows for name in columns]
                commit.append(table, " union all ".join([f"select {casts}"] * len(rows)), values)
            return commit.batch_seq

        with self.lake.session() as db:
            return self.lake.commit(db, write)

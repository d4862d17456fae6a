# Works where python3 (3.11 or newer), git and make exist. Everything is installed into .venv, nothing elsewhere.
VENV   := .venv
PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
# Tests use DuckDB, which takes every core it sees: two workers are enough.
JOBS   ?= 2
# Sizes of the benchmark.
EVENTS ?= 10_000_000
INVOICES ?= 100_000
PEER_EVENTS ?= 5_000_000
CONTRACTS ?= 10_000
PDFS ?= 10_000
BENCH := .venv-bench

.DEFAULT_GOAL := help
.PHONY: help setup demo docs dictionary test check bench ui soak clean

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP)  ## create .venv with the locked requirements

$(STAMP): requirements/dev.txt pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh $(VENV)
	@touch $@

demo: $(STAMP)  ## bill a small example business into ./demo
	$(VENV)/bin/meterhouse --home demo demo --fresh

docs: $(STAMP)  ## write dbt's pages on ./demo, every table and column in words, as one file
	$(PYTHON) -m scripts.dbt_docs demo

dictionary: $(STAMP)  ## write docs/data-dictionary.md from the descriptions of the models
	$(PYTHON) -m scripts.dictionary

test: $(STAMP)  ## run all tests but the soak
	$(PYTHON) -m pytest -q -n $(JOBS) --dist loadgroup -m "not soak"

check: $(STAMP)  ## format, lint, types, SQL lint and the fast tests
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/sqlfluff lint --disable-progress-bar dbt_project/models dbt_project/tests
	$(PYTHON) -m pytest -q -n $(JOBS) --dist loadgroup -m "not slow and not soak"

bench: $(STAMP) $(BENCH)/.installed  ## measure speed and memory, beside other engines
	$(PYTHON) -m benchmarks.run --events $(EVENTS) --invoices $(INVOICES) --output bench.json
	$(PYTHON) -m benchmarks.peers --events $(PEER_EVENTS) --chdb-python $(BENCH)/bin/python --output peers.json
	$(PYTHON) -m benchmarks.rating --output rating.json
	$(PYTHON) -m benchmarks.whatif
	$(PYTHON) -m benchmarks.loop --contracts $(CONTRACTS)
	$(PYTHON) -m benchmarks.pdfs --documents $(PDFS)
	$(PYTHON) -m benchmarks.legacy

# Engines that only the benchmark compares with.
$(BENCH)/.installed: $(STAMP) requirements/bench.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/bench.txt
	@touch $@

ui: $(STAMP)  ## open Dagster's pages on ./demo
	$(VENV)/bin/meterhouse --home demo ui

soak: $(STAMP)  ## run, kill and restart for a long while
	$(PYTHON) -m pytest -v tests -m soak
	$(PYTHON) -m pytest -v tests -m "hypothesis and not slow and not soak" --hypothesis-profile=soak

clean:  ## remove .venv, caches and build results; ./demo stays
	rm -rf $(VENV) $(BENCH) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis dbt_project/target dbt_project/logs
	find . -name __pycache__ -type d -not -path './demo/*' -prune -exec rm -rf {} +

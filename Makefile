# make demo and make test are all the set-up there is: each makes .venv first when it has to.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TEST ?= $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench bites sessions soak pictures reference calendar lock clean

demo: .venv/.run
	@$(BIN)/tradeassist demo

test: .venv/.dev
	$(TEST)

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.dev
	$(BIN)/python -m bench

# Breaks the engine in every way that tests/engine/breaks knows, and sees that a law fails each time.
bites: .venv/.dev
	TRADEASSIST_BITES_EVERY=1 $(BIN)/python -m pytest -q tests/engine/test_laws_bite.py

# Plays the recorded days whole, with the exact oracle beside the daemon.
sessions: .venv/.dev
	TRADEASSIST_WHOLE=1 $(BIN)/python -m pytest -q tests/e2e/test_recorded_sessions.py tests/oracle/test_oracle.py

# Simulated weeks at high speed with faults and kills by chance, held against the true prices, with the unit's memory
# setting; one day: make soak DAYS=1 SEED=7.
DAYS ?= 7
SEED ?= 7
soak: .venv/.dev
	MALLOC_ARENA_MAX=1 $(BIN)/python -m tests.soak --days $(DAYS) --seed $(SEED) $(if $(WEEK),--week $(WEEK))

# Draws docs/demo.svg and docs/top.svg from a real run.
pictures: .venv/.run
	$(BIN)/python docs/pictures.py

# Makes the tables of the rule language in README.md and docs/rules.md, the schemas for editors, docs/schema.md and
# docs/api.md anew.
reference: .venv/.run
	$(BIN)/python -m docs.make_api
	$(BIN)/python -m docs.make_reference
	$(BIN)/python -m docs.make_schema

# Makes the table of holidays and half days anew, with a library that neither the daemon nor the tests need.
calendar: build/calendar/.made
	build/calendar/bin/python -W ignore docs/make_calendar.py

build/calendar/.made: Makefile
	$(PYTHON) -m venv build/calendar
	build/calendar/bin/python -m pip --disable-pip-version-check --quiet install pandas-market-calendars==5.5.0 && touch $@

.venv/.made:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv was found: install python3 and python3-venv"; exit 1; }
	@echo "Setting up .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv .venv && touch $@

.venv/.run: .venv/.made requirements.lock pyproject.toml
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --editable . && touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock && touch $@

# Newest versions that pyproject.toml allows, for every Python it allows.
lock: .venv/.dev
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
#
#   make run      set up and start the platform on this machine, with a simulated Hagen
#   make test     run every test; make test ARGS="tests/unit -k elsys" runs some
#   make check    ruff, mypy, import-linter, reuse
#   make bench    measure throughput, as ratios to bare loops in the same run
#   make lock     resolve the dependencies anew
#   make clean    remove the virtual environment (the data in ./data stays)

PYTHON ?= python3
DATA   ?= data
BIN    := .venv/bin
ALONE  := tests/faults tests/browser

.PHONY: run test check format bench lock clean

run: .venv/run.stamp
	@$(BIN)/volme up --data $(DATA) $(ARGS)

# Files of tests beside each other, then one by one what kills processes, fills memory or draws pages.
test: .venv/dev.stamp
ifeq ($(strip $(ARGS)),)
	@beside=0; alone=0; \
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ALONE:%=--ignore=%) tests || beside=$$?; \
	$(BIN)/pytest $(ALONE) || alone=$$?; \
	if [ $$beside$$alone != 00 ]; then echo "make test: tests have failed, see above" >&2; exit 1; fi; \
	echo "make test: all tests have passed"
else
	$(BIN)/pytest $(ARGS)
endif

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/reuse lint

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Volme needs Python 3.11 or newer. If another one is installed: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Setting up Volme in .venv (once, about half a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@echo "Setting up what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

lock: .venv/dev.stamp
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c requirements-dev.lock pyproject.toml -o requirements.lock

clean:
	rm -rf .venv

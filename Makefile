# Headscope: one command each to set up, run and test. Works with GNU make 3.81 and later.

PYTHON ?= python3
PORT ?= 8501
HEADLESS ?=
PUBLIC ?=
ARGS ?=
LOCKED ?=
JOBS ?= 3

VENV := .venv
PY := $(VENV)/bin/python
SETUP_STAMP := $(VENV)/.requirements$(if $(LOCKED),-locked).stamp
TEST_STAMP := $(VENV)/.requirements-test.stamp
RELEASE_STAMP := $(VENV)/.requirements-release.stamp
CHECK_VERSION := import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	"Headscope needs Python 3.11 or later, and this is " + sys.version.split()[0] + \
	". Name a newer one: make setup PYTHON=python3.12")
PIP_INSTALL := $(PY) -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint lock licences audit clean

help: ## show this list
	@echo "Headscope: make <target>"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

setup: $(SETUP_STAMP) ## create .venv and install what the app needs (PYTHON=python3, LOCKED=1 by hashes)
	@:

run: setup ## start the app on localhost and open it in a browser (PORT=8501, HEADLESS=1 opens none, PUBLIC=1 for visitors)
	@headless=false; \
	if [ -n "$(HEADLESS)" ] && [ "$(HEADLESS)" != 0 ]; then headless=true; fi; \
	if [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ]; then headless=true; fi; \
	exec $(PY) -m streamlit run app --server.address=localhost --server.port=$(PORT) \
		--server.showEmailPrompt=false --server.headless=$$headless \
		$(if $(filter-out 0,$(PUBLIC)),--server.maxUploadSize=20 -- --public)

# The whole suite runs in JOBS processes of one thread each and measures coverage; a part of it runs as it is.
test: lint ## run every check: lint, pytest, coverage (JOBS=3 at a time; ARGS="-k name" goes to pytest alone)
	@$(PY) -m tests.chromium
ifeq ($(strip $(ARGS)),)
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder --cov --cov-report=term
else
	$(PY) -m pytest $(ARGS)
endif

lint: $(TEST_STAMP) ## run ruff (rules and formatting) and mypy (types) only
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

lock: $(RELEASE_STAMP) ## write requirements.lock anew from requirements.txt
	$(PY) -m tests.lock

licences: $(SETUP_STAMP) ## write docs/licences.md from what is installed
	$(PY) -m tests.licences

audit: $(RELEASE_STAMP) ## look the locked packages up among known vulnerabilities (needs the network)
	@$(PY) -m tests.audit

clean: ## remove caches (keeps .venv)
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*
	find . \( -path ./$(VENV) -o -path ./.git \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# The interpreter is the target, so a virtual environment whose Python has gone is made again.
$(PY):
	@command -v $(PYTHON) >/dev/null 2>&1 || \
		{ echo "No '$(PYTHON)' here: install Python 3.11 or later, or name one: make setup PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c '$(CHECK_VERSION)'
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "Could not create $(VENV); on Debian or Ubuntu install python3-venv first." >&2; exit 1; }

# "|": only the presence of the interpreter matters, not its date.
$(SETUP_STAMP): requirements.txt requirements.lock | $(PY)
	@$(PY) -c '$(CHECK_VERSION)' || { echo "Remove $(VENV) and run make setup again." >&2; exit 1; }
	@echo "Installing $(if $(LOCKED),requirements.lock,requirements.txt) (the first time takes some minutes)"
	@$(if $(LOCKED),$(PIP_INSTALL) --require-hashes --no-deps -r requirements.lock)
	@$(PIP_INSTALL) $(if $(LOCKED),$$(grep '^torch==' requirements.txt),-r requirements.txt)
	@touch $@

$(TEST_STAMP): requirements-test.txt requirements-ray.txt $(SETUP_STAMP)
	@echo "Installing requirements-test.txt"
	@$(PIP_INSTALL) -r requirements-test.txt
	@touch $@

$(RELEASE_STAMP): requirements-release.txt $(SETUP_STAMP)
	@echo "Installing requirements-release.txt"
	@$(PIP_INSTALL) -r requirements-release.txt
	@touch $@

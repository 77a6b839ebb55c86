# Headscope: one command each to set up, run and test. Works with GNU make 3.81 and later.

PYTHON ?= python3
PORT ?= 8501
HEADLESS ?=
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
SETUP_STAMP := $(VENV)/.requirements.stamp
TEST_STAMP := $(VENV)/.requirements-test.stamp
CHECK_VERSION := import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	"Headscope needs Python 3.11 or later, and this is " + sys.version.split()[0] + \
	". Name a newer one: make setup PYTHON=python3.12")
PIP_INSTALL := $(PY) -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint clean

help: ## show this list
	@echo "Headscope: make <target>"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

setup: $(SETUP_STAMP) ## create .venv and install what the app needs (PYTHON=python3)
	@:

run: setup ## start the app on localhost and open it in a browser (PORT=8501, HEADLESS=1 opens none)
	@headless=false; \
	if [ -n "$(HEADLESS)" ] && [ "$(HEADLESS)" != 0 ]; then headless=true; fi; \
	if [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ]; then headless=true; fi; \
	exec $(PY) -m streamlit run app --server.address=localhost --server.port=$(PORT) \
		--server.showEmailPrompt=false --server.headless=$$headless

test: $(TEST_STAMP) ## run every check: ruff, formatting, pytest (ARGS="-k name" goes to pytest)
	@$(PY) -m tests.chromium
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest $(ARGS)

lint: $(TEST_STAMP) ## run ruff only: rules and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean: ## remove caches (keeps .venv)
	rm -rf .pytest_cache .ruff_cache
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
$(SETUP_STAMP): requirements.txt | $(PY)
	@$(PY) -c '$(CHECK_VERSION)' || { echo "Remove $(VENV) and run make setup again." >&2; exit 1; }
	@echo "Installing requirements.txt (the first time takes some minutes)"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(TEST_STAMP): requirements-test.txt requirements-ray.txt $(SETUP_STAMP)
	@echo "Installing requirements-test.txt"
	@$(PIP_INSTALL) -r requirements-test.txt
	@touch $@

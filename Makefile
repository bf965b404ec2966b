# Two commands do it all: `make run` and `make test`. Both need Python 3.11+ and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test torture lint format lock clean

run: $(VENV)/run
	@DEMO=$${DEMO-1} exec $(BIN)/python manage.py up

test: $(VENV)/test lint
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest -n 3 --dist loadgroup

# Faults against load, then a check of every promise: make torture MINUTES=30 SEED=any-text-of-an-earlier-run
MINUTES ?= 5
SEED ?=
torture: $(VENV)/test
	$(BIN)/python -m tests.torture.run --minutes $(MINUTES) --seed "$(SEED)"

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .

format: $(VENV)/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# After a change of dependencies in pyproject.toml.
lock: $(VENV)/test
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: requirements.lock $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/test: requirements-dev.lock $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/run

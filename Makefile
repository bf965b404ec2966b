# Two commands do it all: `make run` and `make test`. Both need Python 3.11+ and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

BENCH_VENV := .venv-bench
ADOPTION_VENV := .venv-adoption
DOCS_VENV := .venv-docs
AUDIT_VENV := .venv-audit

# Tests start some hundred interpreters; without bytecode each would compile this project and its tests again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow test-matrix torture hosts schemathesis bench bench-quick adoption audit docs lint lint-openapi format lock wheel clean

run: $(VENV)/run
	@DEMO=$${DEMO-1} exec $(BIN)/python manage.py up

test: $(VENV)/test lint
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest -n 3 --dist loadgroup
	$(BIN)/python -m tests.on_postgresql

# The suite on other versions of Python, Django and Redis, as far as they are here: make test-matrix ONLY=django6.1
ONLY ?=
test-matrix: $(VENV)/test
	$(BIN)/python -m tests.matrix --only "$(ONLY)"

# What builds whole projects and environments, or tries many more inputs, and takes minutes.
test-slow: $(VENV)/test
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow or hypothesis" --hypothesis-profile thorough

# Faults against load, then a check of every promise: make torture MINUTES=30 SEED=any-text-of-an-earlier-run
MINUTES ?= 5
SEED ?=
torture: $(VENV)/test
	$(BIN)/python -m tests.torture.run --minutes $(MINUTES) --seed "$(SEED)"

# The service on eleven hosts, which are network namespaces: cut off, killed, failed over. Needs root. See docs/several-hosts.md.
hosts: $(VENV)/test
	$(BIN)/python -m tests.hosts $(ARGS)

# The OpenAPI document against a running service; CASES is for each operation and phase. make test does a small run.
URL ?= http://127.0.0.1:8000
TOKEN ?= $(shell cat var/demo-token)
CASES ?= 300
schemathesis: $(VENV)/test
	$(BIN)/schemathesis --config-file tests/schemathesis.toml run "$(URL)/api/schema/?format=json" --header "Authorization: Bearer $(TOKEN)" --checks all --continue-on-failure --max-examples $(CASES) --generation-database none

# The OpenAPI document by another linter's rules. Needs npx, from Node.js; fetches the linter.
lint-openapi: $(VENV)/test
	$(BIN)/python manage.py spectacular --file dist/openapi.yaml
	npx --yes @redocly/cli@2 lint --config tests/redocly.yaml dist/openapi.yaml

# Side by side with what people would use instead; see benchmarks/README.md. ARGS="--only ... --figures ..." for parts.
ARGS ?=
bench: $(VENV)/run $(BENCH_VENV)/made
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/run $(BENCH_VENV)/made
	$(BENCH_VENV)/bin/python -m benchmarks --quick $(ARGS)

# Two public applications, unchanged, under Django's defaults, tuned, and with the store lock; see docs/adoption-measured.md.
adoption: $(VENV)/run $(ADOPTION_VENV)/made
	$(BIN)/python -m benchmarks.adoption $(ARGS)

# Known vulnerabilities of what the lock files pin. Asks PyPI, so it is no part of make test; fails also where PyPI does not know.
audit: $(AUDIT_VENV)/made
	$(AUDIT_VENV)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock
	$(AUDIT_VENV)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-dev.lock

# The documentation as pages that can be searched, also without a network and from the disk: dist/docs/index.html
docs: $(DOCS_VENV)/made
	$(DOCS_VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going -b html docs dist/docs
	@echo "dist/docs/index.html"

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .

format: $(VENV)/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The package `one-writer`, for other projects: docs/adopt.md. Asks no index: what builds it is installed already.
wheel: $(VENV)/test
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir dist .

# After a change of dependencies in pyproject.toml.
lock: $(VENV)/test
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group service --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group service --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group service --group bench --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-bench.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group service --group adoption --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-adoption.lock
	$(BIN)/uv pip compile --group docs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-docs.lock

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(ADOPTION_VENV) $(AUDIT_VENV) $(DOCS_VENV) .matrix dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

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

# The peers' packages, apart from the service's: celery-batches is not yet for the Celery that the service has.
$(BENCH_VENV)/made: requirements-bench.lock $(VENV)/made
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

# Apart from the service's packages, which it judges.
$(AUDIT_VENV)/made: $(VENV)/made
	$(PYTHON) -m venv $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.10,<3"
	@touch $@

# The public applications, with the service's own packages beside them.
$(ADOPTION_VENV)/made: requirements-adoption.lock $(VENV)/made
	$(PYTHON) -m venv $(ADOPTION_VENV)
	$(ADOPTION_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-adoption.lock
	@touch $@

$(DOCS_VENV)/made: requirements-docs.lock $(VENV)/made
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

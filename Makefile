# Lodge. `make help` lists what there is; `make run` and `make test` are all that most people need.
# Works from a path with spaces: no rule names a file by its absolute path.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test hunt check demo bench fix migration lock conformance drill clean setup \
	check-lock check-style check-types check-imports

BIN := .venv/bin
PYTHON := $(BIN)/python
# Two at once: enough to find tests that disturb each other, and what a small machine has.
PYTEST := $(BIN)/pytest --dist loadgroup -n $(or $(n),auto)
CODE := shared gateway services deploy tests conftest.py
MEMBERS := lodge-kit lodge-gateway lodge-access-service lodge-enquiry-service lodge-release-service lodge-local
PROJECTS := pyproject.toml shared/pyproject.toml gateway/pyproject.toml services/access-service/pyproject.toml \
	services/enquiry-service/pyproject.toml services/release-service/pyproject.toml deploy/local/pyproject.toml
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 --group dev $(MEMBERS:%=--no-emit-package %) $(PROJECTS)

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: setup ## Set everything up and start the whole suite (LODGE_PORT, LODGE_HOME, LODGE_DEMO=0)
	@$(PYTHON) -P -m lodge_local run

test: setup ## Run all tests, with a PostgreSQL of their own (n=2 workers; only=PATH)
	@$(PYTEST) $(only)

hunt: setup ## Try the laws with examples never tried before, up to a thousand each (only=PATH)
	@$(PYTEST) --hypothesis-profile=hunt --timeout=1800 -m hypothesis $(only)

check: setup check-lock check-style check-types check-imports ## What CI runs: lock, style, types, import contracts, tests
	@$(PYTEST)

demo: setup ## Walk the journey through a running suite, step by step
	@$(PYTHON) -P -m lodge_local demo

bench: setup ## Measure, beside a peer each (only=NAME)
	@$(PYTHON) -m tests.benchmarks $(only)

drill: setup ## Run the long drills in full: soak, kill, upgrade
	@LODGE_DRILL=full $(BIN)/pytest -m drill tests

conformance: setup ## Run the public conformance suites of the standards
	@$(BIN)/pytest tests/conformance

fix: setup ## Format, and mend what ruff can
	@$(BIN)/ruff check -q --fix $(CODE) || true
	@$(BIN)/ruff format -q $(CODE)

migration: setup ## Draft a migration of a service (s=access m="Add badges")
	@$(PYTHON) -P -m lodge_local migration "$(s)" "$(m)"

lock: setup ## Compile requirements.lock anew (upgrade=1: to the newest versions)
	@$(COMPILE) $(if $(upgrade),--upgrade) -o requirements.lock

clean: ## Remove .venv, caches and .lodge with its database; refuses while Lodge runs from it
	@deploy/local/clean

setup:
	@deploy/local/setup

check-lock:
	@mkdir -p .lodge/check && cp requirements.lock .lodge/check/requirements.lock
	@$(COMPILE) -o .lodge/check/requirements.lock
	@diff -u requirements.lock .lodge/check/requirements.lock >&2 || \
		{ echo 'requirements.lock is not what the pyproject.toml files ask for: run make lock' >&2; exit 1; }

check-style:
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check -q $(CODE) || { echo 'Not formatted: run make fix' >&2; exit 1; }

check-types:
	@$(BIN)/mypy shared gateway deploy tests conftest.py services/*/src
	@for tests in services/*/tests; do $(BIN)/mypy "$$tests" || exit 1; done  # each alone: their files are named alike

check-imports:
	@$(BIN)/lint-imports

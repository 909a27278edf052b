# Everything a person runs. Each target sets up and reuses .venv, so that a fresh checkout needs Python >= 3.11 only.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# Where a machine forbids compiled files, each of the many processes would compile all its packages anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.ready
READY := $(VENV)/.whole
WEIGHTS := $(BIN)/python layers/worker/weights.py layers/worker/models
PADDLE := .venv-paddle
PADDLE_READY := $(PADDLE)/.ready
EXPORT := $(BIN)/uv export --quiet --frozen --no-default-groups --no-emit-project --no-annotate --no-header
# Functions run on one platform, and pip reads markers for the machine that builds: so these locks have none.
LOCK_FUNCTIONS := --python-version 3.11 --python-platform x86_64-manylinux2014 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --constraint tests/requirements.txt
CORE_PYTHON ?= $(PYTHON)
CORE := .venv-core-$(notdir $(CORE_PYTHON))
PACKAGES := core functions layers infra tests docs page
NODE_READY := node_modules/.ready
NODE_BIN := node_modules/.bin

# pip brings uv by the lock's own hashes, and uv the rest. uv reads no pip.conf: where only pip knows the registry, pip
# installs everything.
$(INSTALLED): tests/requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python >= 3.11 is needed; name it with make PYTHON=..." >&2; exit 2; }
	@echo "Setting up $(VENV) (half a minute, once) ..." >&2
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' tests/requirements.txt >$(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes tests/requirements.txt || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(READY): $(INSTALLED) layers/worker/weights.txt layers/worker/models.lock layers/worker/weights.py
	@$(WEIGHTS)
	@touch $@

# sync installs the lock and no more: the second OpenCV that paddlex asks for must not come (docs/decisions.md).
$(PADDLE_READY): tests/requirements-paddle.txt pyproject.toml $(INSTALLED)
	@echo "Setting up $(PADDLE) (half a minute and 1.5 GB, once) ..." >&2
	$(BIN)/uv venv --quiet --allow-existing --no-project --python $(BIN)/python $(PADDLE)
	$(BIN)/uv pip sync --quiet --python $(PADDLE) --require-hashes tests/requirements-paddle.txt
	@touch $@

# npm installs beside its lock, and Node looks for modules upwards: outside of page/, so that what is deployed has none.
$(NODE_READY): page/package-lock.json
	@command -v npm >/dev/null || { echo "Node >= 20 with npm is needed to check the page" >&2; exit 2; }
	npm ci --prefix page --ignore-scripts --no-audit --no-fund --loglevel=error
	rm -rf node_modules
	mv page/node_modules node_modules
	@touch $@

.PHONY: help
help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## ?(.*)/\1\t\2/' | while IFS=$$'\t' read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done

.PHONY: setup
setup: $(READY)  ## set up .venv from the locked requirements, and fetch the networks' weights
	@$(WEIGHTS)

.PHONY: demo
demo: $(READY)  ## run the whole cloud on this machine and send real files through it; results in demo-output/
	@$(BIN)/python -m tests.demo --output demo-output

.PHONY: up
up: $(READY)  ## run the whole cloud on this machine until Ctrl-C, at http://127.0.0.1:8640
	@exec $(BIN)/rythmiq up

# Unit tests share nothing. Of the others, a file's tests stay in one process, and so do those of one cloud: they share
# stores and servers. Some unit tests wait, and many of the others: more processes than processors keep these busy.
CORES := $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4))')
.PHONY: test
test: test-unit  ## run every test but the page's in a browser and those marked pixels or explores; COVER=--cov holds the unit tests' coverage to its floor
	$(BIN)/python -m pytest -n $$(($(CORES) + 2)) --dist loadfile --no-loadscope-reorder --ignore=tests/unit --ignore=tests/browser

.PHONY: test-browser
test-browser: $(READY) $(NODE_READY)  ## run the page's tests, in a real browser (Debian: chromium-headless-shell, fonts-noto-core)
	$(BIN)/python -m pytest tests/browser

.PHONY: test-unit
test-unit: $(READY)  ## run the unit tests
	$(BIN)/python -m pytest -n $$(($(CORES) + 1)) --dist worksteal tests/unit $(COVER)

.PHONY: test-pixels
test-pixels: $(READY)  ## run the properties over many real pictures, and each hostile file
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m pixels tests/unit tests/integration tests/fuzz

.PHONY: test-explores
test-explores: $(READY)  ## run what calls the service or its database thousands of times; schemathesis, by the OpenAPI document
	$(BIN)/python -m pytest -m explores tests/e2e tests/integration

.PHONY: test-speed
test-speed: $(READY)  ## hold the page to its times, in a browser on a quiet machine
	$(BIN)/python -m pytest -m speed tests/browser

.PHONY: test-long
test-long: $(READY)  ## run the tests that take many minutes: ten times as many random combinations of faults
	$(BIN)/python -m pytest -m long

.PHONY: fuzz
fuzz: $(READY)  ## look for input that breaks a parser or decoder, for MINUTES=60; what breaks one is kept in tests/fuzz/corpus
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),60) $(TARGETS)

.PHONY: test-paddle
test-paddle: $(READY) $(PADDLE_READY)  ## run the tests of the PaddleOCR engine, in an environment of their own
	PYTHONPATH=core:layers/worker:infra/cli $(PADDLE)/bin/python -m pytest tests/paddle

# Core and client alone, without anything that touches pixels; uv fetches the Python if it is not there. What is measured on
# the platform of functions (cold start, imports, the walk) is measured on its Python, 3.11, alone.
.PHONY: test-core
test-core: $(INSTALLED)  ## run the core's and the client's unit tests on another Python: CORE_PYTHON=3.14
	$(BIN)/uv venv --quiet --allow-existing --no-project --python $(CORE_PYTHON) $(CORE)
	$(BIN)/uv pip install --quiet --python $(CORE) --constraint tests/requirements.txt --group test --editable '.[functions,postgres]'
	$(CORE)/bin/python -m pytest tests/unit/rythmiq --ignore=tests/unit/rythmiq/wiring --ignore=tests/unit/rythmiq/test_walk.py

.PHONY: page
page: $(INSTALLED)  ## build the page for `doctl serverless deploy .`; `make bundle` does it by itself
	$(BIN)/python page/assets.py page layers/functions/page/dist

.PHONY: bundle
bundle: $(READY)  ## build every function's zip as the deployer would, into build/bundles
	$(BIN)/python -m rythmiq_cli.bundles

.PHONY: release
release: $(READY)  ## build the worker in one file, for Camber's base engine, into build/release (needs Python 3.11)
	$(BIN)/python layers/worker/release.py build/release

.PHONY: test-image
test-image: $(READY)  ## run the Dockerfile's steps and the release for real, and the worker's suite on both
	$(BIN)/python -m pytest -m image tests/image

.PHONY: test-rgw
test-rgw: $(READY)  ## run the store suite against a real Ceph RGW (Debian packages, see tests/rig/README.md)
	rig=$$(tests/rig/rgw-up.sh) && eval "$$rig" && { $(BIN)/python -m pytest tests/contract -m rgw; status=$$?; tests/rig/rgw-down.sh --wipe; exit $$status; }

.PHONY: test-postgres15
test-postgres15: $(READY)  ## run the database's tests on the system's Postgres 15 (Debian: postgresql-15)
	RYTHMIQ_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin $(BIN)/python -m pytest tests/rls tests/contract tests/integration -k "database or access"

.PHONY: lint-page
lint-page: $(NODE_READY)  ## check the page: types, rules, format, and that page/types is what the client has
	$(NODE_BIN)/tsc -p page
	$(NODE_BIN)/eslint --config page/eslint.config.js page
	$(NODE_BIN)/prettier --config page/.prettierrc.json --ignore-path page/.prettierignore --check 'page/**/*.{js,css,html,json}' 'docs/examples/*.mjs'
	rm -rf build/page-types
	$(NODE_BIN)/tsc -p page/tsconfig.client.json --outDir build/page-types
	diff -r build/page-types page/types

.PHONY: lint
lint: $(READY) lint-page  ## check format, rules, types, import rules between packages, and links
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.links
	$(BIN)/hadolint layers/worker/Dockerfile

.PHONY: format
format: $(READY)  ## write the sources in the house's format
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)
	if [[ -e $(NODE_READY) ]]; then $(NODE_BIN)/prettier --config page/.prettierrc.json --ignore-path page/.prettierignore --write --log-level warn 'page/**/*.{js,css,html,json}'; fi

.PHONY: bench
bench: $(READY) $(PADDLE_READY)  ## measure speed, memory and picture quality as ratios in one run; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench

.PHONY: bench-paddle
bench-paddle: $(PADDLE_READY)  ## measure the engines against PaddleOCR as it comes; writes that section alone
	$(BIN)/python -m tests.bench paddle

.PHONY: bench-real
bench-real: $(READY)  ## measure people and pages on the labelled real pictures in the folder RYTHMIQ_REAL_PICTURES; writes those sections alone
	@test -n "$$RYTHMIQ_REAL_PICTURES" || { echo "RYTHMIQ_REAL_PICTURES names no folder of labelled pictures" >&2; exit 2; }
	$(BIN)/python -m tests.bench people pages

.PHONY: docs
docs: $(READY) $(NODE_READY)  ## regenerate the generated pages of docs/, and the client's types
	$(BIN)/python -m docs.pages
	rm -rf page/types
	$(NODE_BIN)/tsc -p page/tsconfig.client.json --outDir page/types

.PHONY: seed
seed: $(READY)  ## write the rule book as the database's next migration, if it has changed
	$(BIN)/python -m rythmiq_cli.operator.rule_book_seed

.PHONY: lock
lock: $(READY)  ## resolve the locked requirements, once for all of them; UPGRADE=--upgrade takes newer versions
	$(BIN)/uv lock --quiet $(UPGRADE)
	$(EXPORT) --extra worker --extra cli --extra local --group dev --output-file tests/requirements.txt
	$(EXPORT) --extra worker --output-file layers/worker/requirements.txt
	$(EXPORT) --extra paddle --group paddle-test --output-file tests/requirements-paddle.txt
	$(EXPORT) --extra paddle --output-file layers/worker/requirements-paddle.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FUNCTIONS) --extra functions --output-file layers/functions/requirements.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FUNCTIONS) --extra functions --extra postgres --output-file layers/functions/requirements-postgres.txt

.PHONY: clean
clean:  ## remove what make made
	rm -rf node_modules $(VENV) $(PADDLE) .venv-core-* demo-output .rythmiq-cloud .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

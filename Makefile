# The front door: `make demo` and `make test`. Each target does its own set-up in .venv.
.DEFAULT_GOAL := help
.PHONY: help demo demo-extract test check bench faults image test-container lock clean

USABLE := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for each in python3.11 python3.12 python3.10 python3; do \
	"$$each" -c '$(USABLE)' 2>/dev/null && echo "$$each" && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

help:
	@echo 'make demo    watch a job file become a run, without Azure (about a minute)'
	@echo 'make demo COMPUTE=container   the same, the job in a container of docker/'
	@echo 'make demo-extract   extract a table that changes, on three nights (under a minute)'
	@echo 'make test    run the tests'
	@echo 'make check   lint, types, import rules'
	@echo 'make bench   measure, and write build/bench.json'
	@echo 'make faults  break things, and write build/faults.json'
	@echo 'make image   build docker/, with BASE=machine or BASE=registry on that base only'
	@echo 'make test-container   run that image, and look at what is in it'
	@echo 'make lock    pin the requirements anew'

demo: .venv/ready $(if $(filter container,$(COMPUTE)),image)
	@$(BIN)/python tests/demo.py $(COMPUTE)

demo-extract: .venv/ready
	@$(BIN)/python tests/demo_extract.py

test: .venv/ready
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(PIP) install --require-hashes -r requirements-bench.lock
	@$(BIN)/python tests/benchmarks/bench.py

faults: .venv/ready
	@$(BIN)/python tests/faults.py

# podman's settings for a store of our own, which .ci/image.py writes.
demo test-container: export CONTAINERS_CONF := $(CURDIR)/build/containers/containers.conf
demo test-container: export CONTAINERS_STORAGE_CONF := $(CURDIR)/build/containers/storage.conf

BASE ?=
image: .venv/ready
	@.ci/container-tools
	@$(BIN)/python .ci/image.py --base '$(BASE)'

# The size budget and the tests are for the base of this machine's packages.
test-container: .venv/ready
	@.ci/container-tools
	$(PIP) install --require-hashes -r requirements-image.lock
	$(BIN)/hadolint docker/Dockerfile docker/Dockerfile.packages
	@$(BIN)/python .ci/image.py --base machine
	@$(BIN)/python .ci/image_report.py
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/container
	@$(BIN)/python tests/benchmarks/containers.py

# One pinned set for Python 3.10 to 3.12, with hashes and without any index's address.
lock: .venv/ready
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
		--no-header --no-annotate --extra dev pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
		--no-header --no-annotate --extra bench --constraint requirements.lock pyproject.toml \
		--output-file requirements-bench.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
		--no-header --no-annotate --extra image --constraint requirements.lock pyproject.toml \
		--output-file requirements-image.lock
	sed -n 's/^ *- \([A-Za-z0-9_.-]*\)==.*/\1/p' docker/conda.yml | $(BIN)/uv pip compile --quiet \
		--universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--constraint requirements.lock - --output-file docker/requirements.lock
	sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > requirements-build.lock

clean:
	rm -rf .venv build

.venv/ready: pyproject.toml requirements.lock requirements-build.lock .ci/system-libraries
	@test -n '$(PYTHON)' || { echo 'No Python 3.10 to 3.12 with venv was found. Install one' \
		'(Debian, Ubuntu: apt-get install python3-venv), or name it: make PYTHON=...' >&2; exit 1; }
	@.ci/system-libraries '$(PYTHON)'
	@echo 'Setting up .venv (once, about two minutes).'
	@test -x $(BIN)/python || '$(PYTHON)' -m venv .venv
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --require-hashes --no-build-isolation --use-pep517 -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

# make demo   the main job on real data       make test   every test
# make lint   what must be clean              make bench  beside the peers     make fuzz  every decoder
# make faults every fault on real clusters    make soak MINUTES=60   the long run under random kills
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BUILD := build
VENV := $(BUILD)/venv
ORACLE := $(BUILD)/oracle
TESTKIT = target/$(PROFILE_DIR)/helenus-testkit
PROFILE_DIR := debug
export CARGO_TERM_PROGRESS_WHEN := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint bench fuzz package clean python oracle testkit test-unit test-real count faults soak

help:
	@sed -n '1,3s/^# //p' Makefile

## Set-up ---------------------------------------------------------------------

# The virtual environment with the tools that build and test the package, pinned.
$(VENV)/.tools: tests/python/requirements.txt
	@tools/ensure compiler python
	@echo "== virtual environment $(VENV)"
	@$$(tools/find-python) -m venv $(VENV)
	@$(VENV)/bin/pip install -q -r tests/python/requirements.txt
	@touch $@

# The package itself, built in release mode: what is tested is what is shipped.
python: $(VENV)/.tools
	@echo "== building the package into $(VENV) (some minutes the first time)"
	@VIRTUAL_ENV=$(abspath $(VENV)) $(VENV)/bin/maturin develop --release --quiet

# The published driver, in an environment of its own: the black box to compare with.
oracle: $(ORACLE)/.ready
$(ORACLE)/.ready: tests/python/oracle-requirements.txt
	@tools/ensure python
	@echo "== the published driver, to compare with, into $(ORACLE)"
	@$$(tools/find-python) -m venv $(ORACLE)
	@$(ORACLE)/bin/pip install -q -r tests/python/oracle-requirements.txt
	@touch $@

testkit:
	@tools/ensure compiler java maven
	@echo "== building the test bed"
	@cargo build --quiet -p helenus-testkit

## The main job ---------------------------------------------------------------

demo: testkit python
	@tools/demo $(TESTKIT) $(VENV)/bin/python

## Tests ----------------------------------------------------------------------

test: testkit python oracle
	@tools/test $(TESTKIT) $(VENV)/bin/python $(ORACLE)/bin/python

# What a request costs in instructions and allocations, compared with what it did (also a part of `test`).
count: testkit python
	@tools/check-instructions --testkit $(TESTKIT) --python $(VENV)/bin/python

# Every fault on real clusters, with the table of figures for docs/reliability.md.
faults:
	@tools/ensure compiler java maven
	@tools/faults

# Load on three nodes while they are killed, held and restarted at random; SEED repeats a run's choices.
soak:
	@tools/ensure compiler java maven
	@HELENUS_SOAK_MINUTES=$(or $(MINUTES),60) HELENUS_SOAK_SEED=$(SEED) tools/faults soak::

## What must be clean ---------------------------------------------------------

lint: $(VENV)/.tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(VENV)/bin/ruff check python tests/python examples benches
	$(VENV)/bin/ruff format --check python tests/python examples benches
	$(VENV)/bin/mypy
	@if command -v cargo-deny >/dev/null; then cargo deny --all-features check licenses bans sources; \
	else echo "cargo-deny is not installed (cargo install cargo-deny --locked): licences were not checked" >&2; exit 1; fi

fuzz:
	tools/fuzz-all.sh $(or $(MINUTES),10)

bench: testkit python
	benches/run

package: $(VENV)/.tools
	$(VENV)/bin/maturin build --release --out $(BUILD)/wheels

clean:
	rm -rf $(BUILD)
	cargo clean

# Two commands for everybody: `make demo` and `make test`. The rest are their parts.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export CARGO_TERM_COLOR ?= auto
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PROGRAMS := $(TARGET)/debug
PYTHON := .venv/bin/python
LOCAL := $(abspath $(or $(LAZARET_LOCAL_DIR),.local))
# Tests are chosen by name with --workspace, not by --package or --exclude: Cargo would build the AWS SDK a second time, with the
# features that those packages alone ask for.
UNIT := $(sort $(basename $(notdir $(filter-out workers/yara/%,\
	$(wildcard api/tests/*.rs cli/tests/*.rs workers/*/tests/*.rs local/*/tests/*.rs tests/workspace/tests/*.rs)))))
# Of cargo-fuzz, which is not needed for anything else.
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_SECONDS ?= 600
E2E := $(basename $(notdir $(wildcard tests/e2e/tests/*.rs)))

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# ---- set-up: everything that a new Debian 12 with git, Rust, Node 20 and Python 3.11 lacks ----

.PHONY: setup
setup: .local/stamps/apt .venv/stamp cdk/node_modules/stamp tests/browser/node_modules/stamp ## installs what is missing

.local/stamps/apt: local/packages.txt
	local/install-packages $<
	mkdir -p $(@D) && touch $@

.venv/stamp: local/requirements.txt | .local/stamps/apt
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r local/requirements.txt
	touch $@

%/node_modules/stamp: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --silent
	touch node_modules/stamp

# ---- building ----

.PHONY: build
build: setup ## builds every program and the CDK app
	cargo build --workspace --locked
	npm --prefix cdk run --silent build

# A workspace of its own: see workers/yara/README.md.
YARA := --manifest-path workers/yara/Cargo.toml --target-dir $(TARGET) --locked

# With the features of its tests: others would build wasmtime once more.
.PHONY: yara
yara: setup ## builds the second engine, for the owner's own rules (ten minutes the first time)
	cargo test $(YARA) --no-run

# ---- the local cloud ----

.PHONY: local-up
local-up: build definitions ## starts the local cloud and deploys the stacks; then `. .local/env`
	local/up

.PHONY: local-down
local-down: ## stops the local cloud
	local/down

# Real definitions if LAZARET_DEFINITIONS_DIR names them, else a small set that knows only the test files.
.PHONY: definitions
definitions: build
	if [ -z "$${LAZARET_DEFINITIONS_DIR:-}" ]; then $(PROGRAMS)/lazaret-test-definitions $(LOCAL)/definitions; fi

.PHONY: demo
demo: ## a whole job over two buckets of real files
	trap '$(MAKE) --no-print-directory local-down' EXIT
	$(MAKE) --no-print-directory local-up
	. $(LOCAL)/env
	LAZARET_TEST_DEFINITIONS=$(if $(LAZARET_DEFINITIONS_DIR),0,1) $(PROGRAMS)/lazaret-demo $(LOCAL)/demo

# ---- tests ----

.PHONY: test
test: ## lint, unit, contracts, second engine, CDK, local cloud, end to end
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory test-unit
	$(MAKE) --no-print-directory test-yara
	$(MAKE) --no-print-directory test-cdk
	$(MAKE) --no-print-directory test-local
	$(MAKE) --no-print-directory test-e2e

.PHONY: lint
lint: setup ## formatters and linters; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	npm --prefix cdk run --silent lint

.PHONY: test-unit
test-unit: setup ## unit and contract tests: no cloud needed
	cargo test --workspace --locked --lib --bins $(addprefix --test ,$(UNIT))

# Needs the nightly toolchain (`rustup toolchain install nightly`). What crashes is left in fuzz/artifacts.
.PHONY: fuzz
fuzz: ## the fuzz targets, FUZZ_SECONDS each
	fuzzer=$(LOCAL)/cargo-fuzz/bin/cargo-fuzz
	if [ "$$("$$fuzzer" fuzz --version 2>&1 || true)" != "cargo-fuzz $(CARGO_FUZZ_VERSION)" ]; then
		cargo install --locked --force cargo-fuzz --version $(CARGO_FUZZ_VERSION) --root $(LOCAL)/cargo-fuzz
	fi
	cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --bin seeds -- fuzz/corpus/walk
	for target in frames bundle walk names; do
		mkdir -p fuzz/corpus/$$target fuzz/seeds/$$target
		RUSTUP_TOOLCHAIN=nightly "$$fuzzer" fuzz run --fuzz-dir fuzz $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=20 -print_final_stats=1
	done

.PHONY: test-yara
test-yara: setup ## lint and tests of the second engine
	cargo fmt --manifest-path workers/yara/Cargo.toml --check
	cargo clippy $(YARA) --all-targets -- -D warnings
	cargo test $(YARA)

.PHONY: test-corpus
test-corpus: setup ## some 6,000 files of this system: none may be other than Clean (what is on a system differs: not part of `test`)
	cargo test --workspace --locked --test corpus -- --ignored --nocapture

.PHONY: test-cdk
test-cdk: setup ## assertions over the templates and the state machine
	npm --prefix cdk test --silent

.PHONY: test-local
test-local: setup ## the patches of the local cloud
	cargo build --workspace --locked
	$(PYTHON) -m unittest discover --start-directory local/tests

.PHONY: test-e2e
test-e2e: yara ## whole jobs on the local cloud, started once
	cargo test --workspace --no-run --locked $(addprefix --test ,ports $(E2E))
	trap '$(MAKE) --no-print-directory local-down' EXIT
	$(MAKE) --no-print-directory local-up
	. $(LOCAL)/env
	AWS_REGION=us-east-1 LAZARET_TEST_ENDPOINT="$$AWS_ENDPOINT_URL" cargo test --workspace --locked --test ports
	cargo test --workspace --locked $(addprefix --test ,$(E2E)) -- --test-threads=1 --nocapture
	local/destroy

# ---- measuring ----

BENCH_RUNS ?= 5

.PHONY: scale
scale: setup ## writes the tables of docs/scale.md and docs/cost.md: the simulator's figures
	cargo run --locked --package lazaret-simulator -- docs

.PHONY: bench-engine
bench-engine: setup ## the jail beside plain libclamav, with a set of 6.6 million signatures: see bench/README.md
	cargo build --workspace --locked --bins
	cargo build --workspace --locked --example bench
	test -d $(LOCAL)/bench-definitions || $(PYTHON) bench/engine/make-definitions $(LOCAL)/bench-definitions
	$(PROGRAMS)/examples/bench $(LOCAL)/bench-definitions $(PROGRAMS)/lazaret-engine $(BENCH_RUNS)

.PHONY: bench-api
bench-api: setup ## the API beside clamd's INSTREAM, with the same set: see bench/README.md
	local/install-packages bench/packages.txt
	cargo build --workspace --locked --bins
	cargo build --workspace --locked --example bench-api
	test -d $(LOCAL)/bench-definitions || $(PYTHON) bench/engine/make-definitions $(LOCAL)/bench-definitions
	$(PROGRAMS)/examples/bench-api $(LOCAL)/bench-definitions $(BENCH_RUNS)

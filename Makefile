# What a person runs. `make` alone lists it.

CARGO_HOME ?= $(HOME)/.cargo
# Tools that the tests install end up here.
export PATH := $(CARGO_HOME)/bin:$(PATH)

# Where `make run` keeps what it stores.
DATA ?= data
# How many stories `make soak` tells for each test, and how often it kills a node under load.
SEEDS ?= 1000
# At how many random places `make soak` damages the files of each kind, with each kind of damage.
PLACES ?= 10000
# Whom flows are measured beside, in the version of its package-lock.json.
NODE_RED := benches/node-red

.NOTPARALLEL:
.DEFAULT_GOAL := help

.PHONY: help run test bench soak fmt lint doc build-needs needs bench-peers fmt-check deny doctest nextest

help: ## List what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build-needs ## Start a node with a simulated machine and the flows that watch it.
	cargo run --release -p node -- run --data-dir $(DATA) --set flows_dir=examples/simulated-machine \
	  --set 'streams.telemetry.bindings=["factory/+/telemetry"]'

test: needs fmt-check lint deny doctest nextest ## Check everything: format, lints, dependencies, all tests.

bench: needs bench-peers $(NODE_RED)/node_modules ## Measure beside other brokers and Node-RED; prints figures, judges nothing.
	cargo build --release -p node -p benches
	cargo run --quiet --release -p benches

$(NODE_RED)/node_modules: $(NODE_RED)/package-lock.json
	npm ci --prefix $(NODE_RED) --ignore-scripts --no-audit --no-fund
	touch $@

soak: ## Tell many simulated stories, damage files at many places, kill a real node many times: SEEDS=10000 make soak.
	HEADWATER_SIM_SEEDS=$(SEEDS) cargo test --release -p sim
	HEADWATER_DAMAGE_PLACES=$(PLACES) cargo test --release -p store --lib -- damage examine
	HEADWATER_LEDGER_CYCLES=$(SEEDS) cargo test --release -p node --test ledger -- --nocapture

fmt: ## Format all code.
	cargo fmt --all

lint: ## Clippy and shellcheck, warnings refused.
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	shellcheck scripts/*.sh .ci/run

doc: ## Build the documentation of all crates.
	cargo doc --workspace --no-deps

build-needs:
	scripts/install-build-needs.sh

needs:
	scripts/install-test-needs.sh

fmt-check:
	cargo fmt --all --check

bench-peers:
	scripts/install-bench-peers.sh

deny:
	scripts/check-dependencies.sh

doctest:
	cargo test --quiet --workspace --doc

nextest:
	cargo nextest run --workspace

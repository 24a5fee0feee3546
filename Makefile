# Thin verbs over cargo and the scripts in tests/. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

plugins := $(shell tools/names plugins)
executables := $(shell tools/names)

machine := $(shell uname -m)
target := $(or $(CARGO_TARGET_DIR),target)

# Where `make install` puts the plugins (else: where this machine's runtime looks, as
# packaging/plugin-folder finds out), and cnitool. MULTICALL=1: one file and links to it.
DESTDIR ?=
CNI_BIN_DIR ?= $(if $(DESTDIR),/opt/cni/bin,$(shell packaging/plugin-folder))
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MULTICALL ?=
BIN ?= bin
installed := $(if $(MULTICALL),ferrule) $(plugins)

.PHONY: help build demo test mutants bench interop conformance fuzz lint schema install rollback uninstall dist packages dist-test clean

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

build: ## static release executables into ./bin: one per plugin, cnitool, and ferrule (all plugins)
	@tools/compile $(machine) bin

demo: build ## two containers on a bridge, told step by step
	@tests/prepare demo
	@tests/demo

test: ## install what the tests need, build, run every test (T=TEXT: those named so)
	@tests/prepare
	@tests/all $(T)

mutants: ## COUNT (100) faults put into the source, drawn by SEED: does a test notice?
	@tests/prepare
	@cargo mutants --version >/dev/null 2>&1 || cargo install --locked cargo-mutants
	@tests/mutants

bench: build ## side by side with the Go plugins of Debian, into bench/results
	@tests/prepare bench
	cargo build --release -p ferrule-bench
	@set -e; peer=$$(bench/peer $(target)/peer); \
	FERRULE_BIN_DIR=$(CURDIR)/bin FERRULE_PEER_DIR=$$(realpath $${peer% *}) \
		FERRULE_PEER_VERSION=$${peer#* } $(target)/release/ferrule-bench bench/results

interop: ## plugins of a folder (PEER, Debian's) and ours on one node, into bench/results
	@tests/prepare
	@tests/matrix interop $(PEER)

# BIN has a default for `make install`, which does not count here.
conformance: ## ours and the plugins of a folder (BIN, Debian's), held against the same checks
	@tests/prepare
	@tests/matrix conformance $(if $(filter command environment,$(firstword $(origin BIN))),$(BIN))

# libFuzzer needs a compiler switch that only nightly toolchains take without this variable.
fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@set -e; cd fuzz; for target in $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- \
			-max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096; \
	done

scripts := packaging/installer packaging/plugin-folder packaging/dist packaging/packages \
	packaging/notices packaging/image/node tools/build-name tools/compile tools/names tools/stamp \
	tests/dist tests/executables tests/prepare tests/all

lint: ## formatting, clippy, documentation, dependencies and their licences, scripts, a docs page per plugin
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	@cargo machete --version >/dev/null 2>&1 || cargo install --locked cargo-machete
	cargo machete --skip-target-dir
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked --debug cargo-deny
	cargo deny --locked check licenses bans sources
	@if command -v shellcheck >/dev/null; then shellcheck $(scripts); \
	else echo "shellcheck is missing: scripts are not checked"; fi
	@for name in $(plugins); do \
		[ -f docs/$$name.md ] || { echo "docs/$$name.md is missing" >&2; missing=1; }; \
	done; [ -z "$$missing" ]

schema: ## write conf/schema from the types of the plugins' configurations
	@FERRULE_SCHEMA=write cargo nextest run --workspace \
		-E 'test(the_schema_is_current) or test(the_lists_are_current)'

# DESTDIR is for packagers: copies, and nothing remembered. A live node starts these files at any
# moment: the script replaces each in one step and keeps what it replaces.
install: ## ./bin into the runtime's plugin folder (CNI_BIN_DIR), cnitool to /usr/local/bin (BINDIR)
	@[ -x $(BIN)/cnitool ] || { echo "$(BIN)/ is missing: run make build" >&2; exit 1; }
ifneq ($(DESTDIR),)
	@MULTICALL=$(MULTICALL) packaging/installer copy $(BIN) $(DESTDIR)$(CNI_BIN_DIR) $(installed)
	@MULTICALL= packaging/installer copy $(BIN) $(DESTDIR)$(BINDIR) cnitool
else
	@set -e; folder=$(CNI_BIN_DIR); \
	MULTICALL=$(MULTICALL) packaging/installer install $(BIN) $$folder $(installed); \
	MULTICALL= packaging/installer install $(BIN) $(BINDIR) cnitool; \
	echo "$$folder: $(words $(plugins)) plugins; $(BINDIR): cnitool; back: make rollback"
endif

# cnitool stays: it works with any plugins.
rollback: ## the plugins that the last `make install` replaced come back
	@packaging/installer rollback $(CNI_BIN_DIR)

uninstall: ## remove what `make install` installed; what was there before Ferrule comes back
	@packaging/installer uninstall $(CNI_BIN_DIR)
	@packaging/installer uninstall $(BINDIR)

dist: ## the release in dist/: archives for x86-64 and aarch64, checksums, bill of materials
	@packaging/dist

packages: ## deb and rpm in dist/, after `make dist`
	@[ -d dist/stage ] || { echo "dist/stage is missing: run make dist" >&2; exit 1; }
	@packaging/packages

dist-test: ## run, install and remove what they hold; build it again elsewhere
	@tests/prepare dist
	@packaging/dist
	@packaging/packages
	@tests/dist

clean: ## remove everything that was built
	cargo clean
	rm -rf bin dist

# Thin verbs over cargo and the scripts in tests/. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# One folder per plugin, named as its executable; its package is cni-<name>.
plugins := $(sort $(notdir $(patsubst %/Cargo.toml,%,$(wildcard plugins/*/*/Cargo.toml ipam/*/Cargo.toml))))
executables := $(plugins) cnitool
packages := $(plugins:%=-p cni-%) -p cnitool

version := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
machine := $(shell uname -m)
target := $(or $(CARGO_TARGET_DIR),target)
archive := ferrule-$(version)-linux-$(machine)

DESTDIR ?=
plugin_folder := $(DESTDIR)/opt/cni/bin

.PHONY: help build demo test mutants bench fuzz lint schema install dist clean

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

build: ## static release executables, one per plugin and cnitool, into ./bin
	@rustup target add $(machine)-unknown-linux-musl >/dev/null 2>&1 || true
	@set -e; \
	FERRULE_BUILD=$$(tools/build-name); export FERRULE_BUILD; \
	has() { ls "$$(rustc --print target-libdir --target $$1)"/libstd-*.rlib >/dev/null 2>&1; }; \
	compile() { cargo build --release --bins $(packages) "$$@"; }; \
	musl=$(machine)-unknown-linux-musl; gnu=$(machine)-unknown-linux-gnu; \
	if has $$musl; then \
		compile --target $$musl; from=$(target)/$$musl/release; kind="static (musl)"; \
	elif has $$gnu && RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" \
			compile --target $$gnu; then \
		from=$(target)/$$gnu/release; kind="static (glibc, as rustup has no $$musl)"; \
	else \
		compile; from=$(target)/release; kind="NOT STATIC: no target here builds static ones"; \
	fi; \
	tools/stamp $$from bin $(executables); \
	echo "bin/: $(words $(executables)) executables, $$kind"

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

# libFuzzer needs a compiler switch that only nightly toolchains take without this variable.
fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@set -e; cd fuzz; for target in $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- \
			-max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096; \
	done

lint: ## formatting, clippy, documentation, unused dependencies, a docs page per plugin
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	@cargo machete --version >/dev/null 2>&1 || cargo install --locked cargo-machete
	cargo machete --skip-target-dir
	@for name in $(plugins); do \
		[ -f docs/$$name.md ] || { echo "docs/$$name.md is missing" >&2; missing=1; }; \
	done; [ -z "$$missing" ]

schema: ## write conf/schema from the types of the plugins' configurations
	@FERRULE_SCHEMA=write cargo nextest run --workspace \
		-E 'test(the_schema_is_current) or test(the_lists_are_current)'

# A live node starts these at any moment: each is replaced in one step, by a rename.
install: ## copy ./bin to $(DESTDIR)/opt/cni/bin
	@for name in $(executables); do \
		[ -x bin/$$name ] || { echo "bin/$$name is missing: run make build" >&2; exit 1; }; \
	done
	@mkdir -p $(plugin_folder)
	@set -e; for name in $(executables); do \
		install -m 755 bin/$$name $(plugin_folder)/.$$name.new; \
		mv -f $(plugin_folder)/.$$name.new $(plugin_folder)/$$name; \
	done
	@echo "$(plugin_folder): $(words $(executables)) executables"

dist: build ## executables, man pages and completions of cnitool as dist/*.tar.gz, with a checksum
	@rm -rf dist/manual && mkdir -p dist
	@cargo run --quiet -p cnitool --example manual dist/manual
	@tar --create --gzip --file dist/$(archive).tar.gz --sort=name --owner=0 --group=0 \
		--numeric-owner --transform 's,^,$(archive)/,' --directory bin $(sort $(executables)) \
		--directory ../dist/manual completions man
	@cd dist && sha256sum $(archive).tar.gz | tee $(archive).tar.gz.sha256

clean: ## remove everything that was built
	cargo clean
	rm -rf bin dist

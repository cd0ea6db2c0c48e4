# Everything a newcomer or the CI needs, with nothing installed but python3, venv and make.
# The environment lives in .venv; it is made by uv where uv is installed, by venv and pip elsewhere.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
WANTED := $(PYTHON) $(if $(UV),uv,pip)
PRESENT := $(shell [ -x $(BIN)/python ] && cat $(VENV)/.made-with 2>/dev/null)

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.PHONY: help demo test test-compiled test-root compiled run runtimes check bench bench-peers bench-growth bench-tax bench-state bench-history soak clean

help:
	@echo 'make demo    start a daemon and the example agent, run the client story, stop everything'
	@echo 'make test    run the tests               make test ARGS="-k router" runs some of them'
	@echo 'make test-root  the tests that mount a small disk; needs root'
	@echo 'make runtimes   fetch Node and Deno from npm, for the tests of the JavaScript client'
	@echo 'make compiled       build with the hot path compiled, into build/compiled'
	@echo 'make test-compiled  run the tests of everything that runs on it against that build'
	@echo 'make run     run askrd in the foreground make run ARGS="--listen tcp://127.0.0.1:9000"'
	@echo 'make check   formatting, lint, import contracts, types'
	@echo 'make bench   measure the relay           make bench ARGS="--json"'
	@echo 'make bench-peers  the same beside nats, redis, mosquitto and crossbar, where they are installed'
	@echo 'make bench-growth   cost beside many connections, subscriptions and services'
	@echo 'make bench-state    durable writes, watchers, jobs and starts beside redis, where it is installed'
	@echo 'make soak    everything at once for five minutes; memory and descriptors must stay flat'
	@echo 'make bench-tax      what each check costs on the hot path'
	@echo 'make bench-history  the latest figures     make bench-history ARGS="add --label TEXT" adds'
	@echo 'make clean   remove the environment and everything generated'
	@echo 'PYTHON=...   the interpreter to build .venv from (now: $(PYTHON))'

demo: $(VENV)/.installed-run
	@$(BIN)/askr demo $(ARGS)

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest $(ARGS)

test-root: $(VENV)/.installed-test
	@[ "$$(id -u)" = 0 ] || { echo 'make test-root mounts a small disk: run it as root' >&2; exit 1; }
	@ASKR_ROOT_TESTS=1 $(BIN)/python -m pytest tests/integration/test_failing_disk.py $(ARGS)

# Where the tests look for them first; without npm, or these, they take what is installed.
runtimes: $(VENV)/javascript/.installed

$(VENV)/javascript/.installed: $(VENV)/.made-with
	@npm install --no-audit --no-fund --silent --prefix $(VENV)/javascript node@22 deno@2
	@touch $@

# What the compiled build is made of, and the tests that say whether it does the same. Those of the
# repository itself and of the terminals know nothing of the hot path.
COMPILED := build/compiled
SOURCES := hatch_build.py pyproject.toml $(shell find askrd askr_cli -name '*.py' -o -name '*.pxd')
COMPILED_TESTS := tests/unit/askrd tests/vectors tests/fuzz tests/simulation tests/conformance \
    tests/integration $(addprefix --ignore=tests/integration/,cli http javascript)

compiled: $(COMPILED)/.built

$(COMPILED)/.built: $(VENV)/.installed-test $(SOURCES)
	@rm -rf $(COMPILED) build/wheel
	@echo 'compiling the hot path (half a minute)' >&2
ifneq ($(UV),)
	@ASKR_COMPILE=1 uv build --quiet --wheel --python $(BIN)/python --out-dir build/wheel
else
	@ASKR_COMPILE=1 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-input \
	    --no-deps --wheel-dir build/wheel .
endif
	@$(BIN)/python -m zipfile -e build/wheel/askrd-*.whl $(COMPILED)
	@touch $@

test-compiled: compiled
	@rm -rf $(COMPILED)/tests
	@cp -R tests examples bench docs systemd pyproject.toml README.md Makefile $(COMPILED)
	@cd $(COMPILED) && PYTHONPATH=$(CURDIR)/$(COMPILED) $(CURDIR)/$(BIN)/python -m pytest \
	    $(if $(ARGS),$(ARGS),$(COMPILED_TESTS))

run: $(VENV)/.installed-run
	@exec $(BIN)/askrd serve $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: $(VENV)/.installed-run
	@$(BIN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.installed-bench
	@$(BIN)/python -m bench.peers $(ARGS)

bench-growth: $(VENV)/.installed-bench
	@$(BIN)/python -m bench.growth $(ARGS)

soak: $(VENV)/.installed-test
	@$(BIN)/python -m bench.soak $(ARGS)

bench-state: $(VENV)/.installed-run
	@$(BIN)/python -m bench.state $(ARGS)

bench-tax: $(VENV)/.installed-run
	@$(BIN)/python -m bench.tax $(ARGS)

bench-history: $(VENV)/.installed-run
	@$(BIN)/python -m bench.history $(if $(ARGS),$(ARGS),show)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------

# One sentence when $(PYTHON) cannot be used, nothing when it can.
define complaint
$(shell $(PYTHON) -c '' 2>/dev/null || { \
    echo 'there is no $(PYTHON) here: install it with `sudo apt install python3 python3-venv`, or name another with make PYTHON=...'; exit; }; \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo 'askr needs Python 3.11 or later, and $(PYTHON) is older: name another one with make PYTHON=...'; exit; }; \
  [ -n '$(UV)' ] || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
    echo '$(PYTHON) lacks its venv module: run `sudo apt install python3-venv`, then make again')
endef

# Made again when another interpreter or installer is wanted than the one it was made with.
ifneq ($(PRESENT),$(WANTED))
.PHONY: $(VENV)/.made-with
endif

$(VENV)/.made-with:
	$(if $(complaint),$(error $(complaint)))
	@echo 'creating $(VENV) with $(WANTED) (once, up to a minute)' >&2
	@rm -rf $(VENV)
ifneq ($(UV),)
	@uv venv --quiet --python '$(PYTHON)' $(VENV)
else
	@$(PYTHON) -m venv $(VENV)
endif
	@echo '$(WANTED)' > $@

$(VENV)/.installed-%: $(VENV)/.made-with pyproject.toml constraints.txt
ifneq ($(UV),)
	@uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.$(filter-out [run],[$*])'
else
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	    -c constraints.txt -e '.$(filter-out [run],[$*])'
endif
	@touch $@

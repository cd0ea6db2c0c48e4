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
.PHONY: help demo test run check bench clean

help:
	@echo 'make demo    start a daemon and the example agent, run the client story, stop everything'
	@echo 'make test    run the tests               make test ARGS="-k router" runs some of them'
	@echo 'make run     run askrd in the foreground make run ARGS="--listen tcp://127.0.0.1:9000"'
	@echo 'make check   formatting, lint, import contracts, types'
	@echo 'make bench   measure the relay           make bench ARGS="--json"'
	@echo 'make clean   remove the environment and everything generated'
	@echo 'PYTHON=...   the interpreter to build .venv from (now: $(PYTHON))'

demo: $(VENV)/.installed-run
	@$(BIN)/askr demo $(ARGS)

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest $(ARGS)

run: $(VENV)/.installed-run
	@exec $(BIN)/askrd serve $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: $(VENV)/.installed-run
	@$(BIN)/python -m bench $(ARGS)

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

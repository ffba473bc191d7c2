# make demo       animate demo/coffee.png along demo/coffee.json, into out/
# make test       run the tests in a few minutes: all but those marked slow
# make test-all   run every test
# make lint       check style, types and formatting
#
# All of them set up .venv first, once. PYTHON chooses the interpreter, TORCH what pip installs as torch, JOBS how many
# tests of the core run at a time; those of the nodes and of the editor run beside them, and their output comes last.
# The tests of the nodes need a ComfyUI, in COMFYUI_PATH, and the Python that runs it, COMFYUI_PYTHON; both are found
# where comfy-cli puts them. With COMFYUI_NEWEST_FRONTEND, a folder that `pip download --no-deps
# comfyui-frontend-package` wrote to, the tests of the editor run in that front end too.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

JS_PACKAGES = tests/web/node_modules/.package-lock.json
BROWSER = $(or $(CHROMIUM_PATH),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))

JOBS ?= 2
COMFYUI_PATH ?= $(HOME)/comfy/ComfyUI
COMFYUI_PYTHON ?= $(firstword $(wildcard $(addsuffix /bin/python,\
  $(COMFYUI_PATH)/venv $(COMFYUI_PATH)/.venv $(dir $(COMFYUI_PATH))venv)))
export COMFYUI_PATH
ifneq ($(COMFYUI_PYTHON),)
export COMFYUI_PYTHON
endif

.PHONY: demo test test-all lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/smcd animate demo/coffee.png --boxes demo/coffee.json --prompt "a cup moving down" \
	  -o out/demo.mp4 --contact-sheet out/demo.png
	@echo "The command line is $(BIN)/smcd"

test: SELECT = -m "not slow"
test: export SMCD_QUICK = 1  # the editor in one of the two renderers of ComfyUI, without the longest tests
test test-all: $(VENV)/test.stamp
	@skipped=; failed=0; browser=; host=; \
	if ! command -v node >/dev/null; then \
	  skipped="$$skipped JavaScript (install Node.js 20 or newer);"; \
	elif [ -z "$(BROWSER)" ]; then \
	  skipped="$$skipped the editor in a browser (install Chromium, or set CHROMIUM_PATH);"; \
	elif ! $(MAKE) --silent $(JS_PACKAGES); then \
	  skipped="$$skipped the editor in a browser (npm ci in tests/web failed);"; \
	else \
	  node --test --test-concurrency=$(JOBS) --test-reporter=spec tests/web/browser/*.test.js >$(VENV)/browser.log 2>&1 & \
	  browser=$$!; \
	fi; \
	if [ ! -x "$(COMFYUI_PYTHON)" ] || [ ! -f "$(COMFYUI_PATH)/main.py" ]; then \
	  skipped="$$skipped ComfyUI (set COMFYUI_PATH to its folder and COMFYUI_PYTHON to the Python that runs it);"; \
	elif ! "$(COMFYUI_PYTHON)" -c 'import pytest, hypothesis' 2>/dev/null; then \
	  skipped="$$skipped ComfyUI ($(COMFYUI_PYTHON) -m pip install pytest hypothesis);"; \
	else \
	  "$(COMFYUI_PYTHON)" -m pytest -q -rs $(SELECT) tests/test_nodes_*.py >$(VENV)/host.log 2>&1 & \
	  host=$$!; \
	fi; \
	if command -v node >/dev/null; then node --test --test-reporter=spec tests/web/*.test.js || failed=1; fi; \
	$(BIN)/python -m pytest -q --durations=10 $(SELECT) -n $(JOBS) --dist loadfile --ignore-glob="tests/test_nodes_*" \
	  || failed=1; \
	if [ -n "$$host" ]; then wait $$host || failed=1; cat $(VENV)/host.log; fi; \
	if [ -n "$$browser" ]; then wait $$browser || failed=1; cat $(VENV)/browser.log; fi; \
	[ $$failed = 0 ] || { echo "Some tests failed"; exit 1; }; \
	nvidia-smi >/dev/null 2>&1 || skipped="$$skipped CUDA (no NVIDIA GPU found);"; \
	[ -z '$(SELECT)' ] || skipped="$$skipped slow tests and the classic renderer (make test-all);"; \
	echo "All tests passed. Skipped:$${skipped:- nothing}"

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	@if ! command -v node >/dev/null; then \
	  echo "Skipped: lint of JavaScript (install Node.js 20 or newer)"; \
	elif ! $(MAKE) --silent $(JS_PACKAGES); then \
	  echo "Skipped: lint of JavaScript (npm ci in tests/web failed)"; \
	else \
	  npm run --silent lint --prefix tests/web; \
	fi

clean:
	rm -rf $(VENV) tests/web/node_modules

$(JS_PACKAGES): tests/web/package-lock.json
	@echo "Installing playwright-core, TypeScript and ESLint"
	@npm ci --prefix tests/web --no-audit --no-fund --silent
	@touch $@

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "Installing smcd"
	@$(PIP) install -e ".[video]"
	@touch $@

$(VENV)/test.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "Installing smcd and what its tests need"
	@$(PIP) install -e ".[test]"
	@touch $@ $(VENV)/demo.stamp

$(VENV)/lint.stamp: $(VENV)/test.stamp
	@echo "Installing ruff and mypy"
	@$(PIP) install -e ".[lint]"
	@touch $@

# A torch that the interpreter has already is used as it is. Else, without an NVIDIA GPU on Linux, pip is asked for a CPU
# build first, as the usual one brings several gigabytes of CUDA along; not every package index has one.
$(VENV)/torch.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.10 or newer, or set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "smcd needs Python 3.10 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1): set PYTHON=..."; exit 1; }
	@site=; if $(PYTHON) -c 'import torch' 2>/dev/null; then site=--system-site-packages; fi; \
	  $(PYTHON) -m venv --clear $$site $(VENV) || { \
	    echo "$(PYTHON) -m venv failed: install the venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@if ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
	  echo "Installing $(TORCH); this takes some minutes"; \
	  cpu=; if [ "$$(uname -s)" = Linux ] && ! nvidia-smi >/dev/null 2>&1; then cpu='$(TORCH)+cpu'; fi; \
	  { [ -n "$$cpu" ] && $(PIP) install "$$cpu" 2>/dev/null; } || $(PIP) install '$(TORCH)'; \
	fi
	@touch $@

# make demo   animate demo/beach.png along demo/beach.json, into out/
# make test   run all tests
#
# Both set up .venv first, once. PYTHON chooses the interpreter, TORCH what pip installs as torch. COMFYUI_PYTHON is the
# Python that runs ComfyUI (in COMFYUI_PATH, else ~/comfy/ComfyUI): with it the tests in the real host run too. With
# COMFYUI_NEWEST_FRONTEND, a folder into which `pip download --no-deps comfyui-frontend-package` wrote, those of the
# editor run a second time, in that front end.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

PLAYWRIGHT = tests/web/node_modules/.package-lock.json
BROWSER = $(or $(CHROMIUM_PATH),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))

.PHONY: demo test clean

demo: $(VENV)/demo.stamp
	$(BIN)/smcd animate demo/beach.png --boxes demo/beach.json \
	  --prompt "a yellow circle moving down and a cyan diamond moving up, beach" \
	  -o out/demo.mp4 --contact-sheet out/demo.png

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q
	@skipped=; \
	if command -v node >/dev/null; then \
	  node --test --test-reporter=spec tests/web/*.test.js || exit 1; \
	  if $(MAKE) --silent $(PLAYWRIGHT); then \
	    node --test --test-concurrency=1 --test-reporter=spec tests/web/browser/*.test.js || exit 1; \
	    [ -n "$(BROWSER)" ] || skipped="$$skipped the editor in a browser (install Chromium, or set CHROMIUM_PATH);"; \
	  else \
	    skipped="$$skipped the editor in a browser (npm ci in tests/web failed);"; \
	  fi; \
	else \
	  skipped="$$skipped JavaScript (install Node.js 20 or newer);"; \
	fi; \
	if [ -n "$(COMFYUI_PYTHON)" ]; then \
	  "$(COMFYUI_PYTHON)" -m pytest -q -rs tests/test_nodes_*.py || exit 1; \
	else \
	  skipped="$$skipped ComfyUI (set COMFYUI_PYTHON to the Python that runs it, with pytest and hypothesis);"; \
	fi; \
	$(BIN)/python -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || \
	  skipped="$$skipped NVIDIA GPU (none found, all ran on the CPU);"; \
	echo "all tests passed; skipped:$${skipped:- nothing}"

clean:
	rm -rf $(VENV) tests/web/node_modules

$(PLAYWRIGHT): tests/web/package-lock.json
	@echo "Installing playwright-core"
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

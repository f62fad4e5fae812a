# Needs python3.11 and make, nothing else. Every target shares one stamped .venv and ignores an activated one.

PYTHON ?= python3.11
BIN := .venv/bin
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet
CORE := .venv/.core
STAMP := .venv/.stamp
# For pytest: `make test TESTS=--cov` measures how much of the core the tests run.
TESTS ?=

.PHONY: demo test check docs wheel clean

demo: $(CORE)
	$(BIN)/darnet restore examples -o demo --overwrite

test: $(STAMP)
	scripts/test $(TESTS)

check: $(STAMP)
	scripts/check

docs: $(STAMP)
	scripts/docs
	@echo docs/_build/index.html

wheel: $(STAMP)
	scripts/wheel

clean:
	rm -rf .venv demo dist docs/_build .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp is written last: an install that broke off is done again from the start.
$(CORE): pyproject.toml constraints.txt
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(PIP) --no-compile -e . # what runs is compiled when it is first imported; the rest never
	touch $@

# Whatever the tests and checks need; the peers and the restricted architectures are tested as well.
$(STAMP): $(CORE)
	$(PIP) -e '.[dev,peers,foreign-restricted]'
	touch $@

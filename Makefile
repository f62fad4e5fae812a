# Needs python3.11 and make, nothing else. Every target shares one stamped .venv and ignores an activated one.

PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.stamp

.PHONY: demo test check clean

demo: $(STAMP)
	$(BIN)/darnet restore examples -o demo --overwrite

test: $(STAMP)
	scripts/test

check: $(STAMP)
	scripts/check

clean:
	rm -rf .venv demo dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The stamp is written last: an install that broke off is done again from the start.
$(STAMP): pyproject.toml constraints.txt
	rm -rf .venv
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet -e '.[dev]'
	touch $@

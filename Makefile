# `make` runs the course, `make test` tests it, `make lab` opens it; `make help` lists the rest.
# Every path is relative, so that a folder with a space in its name works.

PYTHON := .venv/bin/python
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# What another data set brings (MOVIEREC_DATASET=ml-1m make notebooks) stays beside what the report is about.
OTHER := $(filter-out ml-100k,$(MOVIEREC_DATASET))
STAMPS := report/generated/$(if $(OTHER),$(OTHER)/generated/)notebooks
RAN := $(NOTEBOOKS:notebooks/%.ipynb=$(STAMPS)/%.json)
PACKAGE := $(wildcard movierec/*.py movierec/*/*.py)
comma := ,
NBVAL := --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg
RECORDED := $(wildcard report/results/*.csv)
TEX_PACKAGES := latexmk texlive-publishers texlive-latex-recommended texlive-latex-extra \
	texlive-fonts-recommended texlive-pictures texlive-plain-generic

HAS_LATEXMK := command -v latexmk >/dev/null && kpsewhich IEEEtran.cls pdfcomment.sty tracklang.sty | grep -q tracklang

# In an activated conda environment made from environment.yml, its Python is the one.
# RESULTS=mine builds the paper from your own last run instead of the recorded results.
PAPER := $(or $(RESULTS),main)
ifeq ($(filter main mine,$(PAPER)),)
$(error RESULTS must be "mine" or left out; found "$(RESULTS)". Try: make report RESULTS=mine)
endif

ifeq ($(CONDA_DEFAULT_ENV),movierec)
PYTHON := python
VENV :=
else
VENV := .venv/ready
endif

.DELETE_ON_ERROR:
# One thing after the other, but for what asks for two at a time: two kernels share the cores, one thread each.
ifdef TWO
export TF_NUM_INTRAOP_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
else
.NOTPARALLEL:
endif
AT_ONCE = @$(MAKE) --no-print-directory -j2 TWO=1
.PHONY: all help setup data notebooks report latex browser test lab app serve site tune ablation repeats runs benchmark exercises record lock clean

all: say setup notebooks report  ## learn: all of the course: environment, data, every notebook run, report/main.pdf
	@echo "made: $(words $(NOTEBOOKS)) notebooks run, their figures in report/figures$$([ ! -f report/main.pdf ] || echo ', the paper report/main.pdf')"
	@echo "next: make lab opens the first notebook, make app recommends films to you, make help lists the rest"

.PHONY: say
say:
	@echo "the course: environment and data (3 to 6 minutes the first time), $(words $(NOTEBOOKS)) notebooks (5 to 10 minutes), the paper (a minute)"

help:  ## learn: this list
	@for who in "learn:To learn" "reproduce:To reproduce and compare" "maintain:To maintain"; do echo; echo "$${who#*:}"; \
		awk -F ':.*## ' -v who="$${who%%:*}: " '/^[a-z]+:.*## /{if (index($$2, who) == 1) \
			printf "  make %-10s %s\n", $$1, substr($$2, length(who) + 1)}' Makefile; \
		[ "$${who%%:*}" != learn ] || echo "  make 06         notebook 06 again; so with every other number"; done

setup:  ## learn: environment, data and LaTeX, nothing run yet
	$(AT_ONCE) data latex

# A name on the path is not enough: pyenv puts there names of versions that are not switched on.
FIND_PYTHON = found=$$(for python in python3.11 python3.12 python3.13 python3; do \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
			&& echo $$python && break; done); \
	[ -n "$$found" ] || { echo "movierec needs Python 3.11, 3.12 or 3.13; none was found. Install one" \
		"(python.org, your package manager), or use conda: see docs/start.md." >&2; exit 1; }; \
	$$found -c 'import ensurepip' 2>/dev/null || { echo "$$found cannot make a virtual environment." \
		"On Debian or Ubuntu: apt-get install $$found-venv" >&2; exit 1; }

.venv/ready: requirements.txt pyproject.toml
	@$(FIND_PYTHON); echo "making .venv with $$found (about 2.5 GB, two minutes)"; $$found -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

data: $(VENV)  ## learn: MovieLens-100K, or what MOVIEREC_DATASET names, fetched and checked (nothing if it is there)
	@$(PYTHON) -m movierec data

notebooks: setup  ## reproduce: every notebook that, or whose part of the package, is newer than its last run
	@rm -f $(STAMPS)/ran
	$(AT_ONCE) TO_RUN=$$($(MAKE) --no-print-directory --dry-run TWO=1 $(RAN) | grep -c -- --nbval-lax) $(RAN)

# `make 06` runs notebook 06 again: the report names that command beside each figure and table.
NUMBERS := $(foreach name,$(NOTEBOOKS:notebooks/%.ipynb=%),$(firstword $(subst _, ,$(name))))
.PHONY: $(NUMBERS)
$(NUMBERS):
	@rm -f $(STAMPS)/$@_*.json
	@$(MAKE) --no-print-directory $(filter $(STAMPS)/$@_%,$(RAN))

# A notebook depends on what it imports of the package, not on all of it.
RULES := report/generated/notebooks.mk
$(RULES): $(NOTEBOOKS) $(PACKAGE) report/build/depends.py
	@mkdir -p $(@D); $$(command -v python3 || echo python) report/build/depends.py > $@
ifneq ($(MAKECMDGOALS),clean)
-include $(RULES)
endif

$(STAMPS)/%.json: notebooks/%.ipynb $(VENV) | data
	@mkdir -p $(@D); began=$$(date +%s); \
	$(PYTHON) -m pytest --quiet --nbval-lax $(NBVAL) $< > $(@D)/$*.log 2>&1 || { cat $(@D)/$*.log; exit 1; }; \
	echo $* >> $(@D)/ran; echo "$* $$(($$(date +%s) - began)) s$(if $(TO_RUN),$(comma) $$(($(TO_RUN) - $$(wc -l < $(@D)/ran))) left)"

# Another data set has a record of its own.
ifneq ($(OTHER),)
REPEATS := report/generated/$(OTHER)/generated/results/tests-benchmarks-repeats.py/optimizer_users.csv
$(RAN): $(REPEATS)
$(REPEATS): $(VENV) | data
	$(PYTHON) tests/benchmarks/repeats.py
	$(PYTHON) tests/benchmarks/sequences.py
endif

latex:
	@$(HAS_LATEXMK) || command -v tectonic >/dev/null \
	|| if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing LaTeX"; mkdir -p report/generated; \
		(apt-get update && apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 $(TEX_PACKAGES)) \
			>report/generated/latex.log 2>&1 || { tail -5 report/generated/latex.log; \
			echo "LaTeX could not be installed, so report/main.pdf is left out; all else works."; }; \
	else echo "LaTeX is not installed, so report/main.pdf is left out; all else works. To get it:"; \
		echo "  Debian, Ubuntu: sudo apt-get install $(TEX_PACKAGES)"; \
		echo "  macOS: brew install --cask mactex-no-gui    Windows: https://miktex.org    conda: in environment.yml"; fi

# Some tests look at the page of `make app` as a visitor does.
browser: | latex  # both come from one package manager
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing Chromium"; mkdir -p report/generated; \
		(apt-get update && apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 chromium) \
			>report/generated/browser.log 2>&1 || tail -5 report/generated/browser.log; \
	else echo "Chromium is not installed, so the page of make app is not tested in a browser; all else is."; fi

report: report/$(PAPER).pdf  ## reproduce: report/main.pdf, and what moved in your run; RESULTS=mine: report/mine.pdf, of your run

# The folders are there for what was deleted from them: a file that is gone is newer than nothing.
SOURCES := report/main.tex report/references.bib report/tables.toml $(wildcard report/build/*.py) $(RECORDED) report/results report/figures
TYPESET = if $(HAS_LATEXMK); then latexmk -pdf -interaction=nonstopmode -halt-on-error -quiet main >generated/latexmk.log 2>&1 \
		&& touch main.pdf || { tail -40 generated/latexmk.log; exit 1; }; \
	elif command -v tectonic >/dev/null; then tectonic --keep-logs main.tex; \
	else echo "report/$(PAPER).pdf is not built: LaTeX is missing (see above)"; fi

report/main.pdf: $(SOURCES) $(RAN) | latex
	@$(PYTHON) -m report.build check || [ -z "$$CI" ]
	@$(PYTHON) -m report.build build
	@echo "LaTeX (its log: report/generated/latexmk.log)"; cd report && $(TYPESET)
	@[ ! -f $@ ] || echo "made: $@"

report/mine.pdf: $(SOURCES) $(RAN) | latex
	@$(PYTHON) -m report.build check || true
	@$(PYTHON) -m report.build build --mine
	@cd report/generated/mine && $(TYPESET)
	@[ ! -f report/generated/mine/main.pdf ] || { cp report/generated/mine/main.pdf $@; echo "made: $@"; }

report/figures: | $(RAN)
	@mkdir -p $@

test:  ## maintain: unit tests, every notebook re-executed and compared, the report built
	@echo "1 of 3: environment, data, LaTeX and a browser (3 to 6 minutes the first time)"
	$(AT_ONCE) data browser
	@echo "2 of 3: unit tests, and every notebook run and compared, two at a time (12 to 20 minutes)"
	@$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval $(NBVAL) tests notebooks --ignore tests/report/test_report_build.py
	@echo "3 of 3: what moved, and the paper (a minute)"
	@$(MAKE) --no-print-directory report
	@$(PYTHON) -m pytest tests/report/test_report_build.py

lab: $(VENV) data  ## learn: JupyterLab, opened on notebook 01
	@echo "JupyterLab opens in your browser; Ctrl-C here ends it"
	@$(PYTHON) -m jupyterlab $$([ "$$(id -u)" != 0 ] || echo --allow-root) notebooks/01_exploration.ipynb

app: $(VENV) data  ## learn: what would it recommend to you? A page in your browser (PORT=8000)
	$(PYTHON) -m movierec app --port $(or $(PORT),8000) $(if $(MOVIEREC_MODEL),--model "$(MOVIEREC_MODEL)")

serve: $(VENV) data  ## learn: the same as a web service, no browser opened; /docs explains it (PORT=8000)
	$(PYTHON) -m movierec serve --port $(or $(PORT),8000) $(if $(MOVIEREC_MODEL),--model "$(MOVIEREC_MODEL)")

tune: $(VENV) data  ## reproduce: every baseline's settings chosen again, with one budget, on validation (half an hour)
	$(PYTHON) tests/benchmarks/tune_baselines.py

ablation: $(VENV) data  ## reproduce: what each part and setting of the hybrid is worth, on validation; variants tuned again (an hour)
	$(PYTHON) tests/benchmarks/ablation.py
	$(PYTHON) tests/benchmarks/retuned.py

repeats: $(VENV) data  ## reproduce: the seeds and variants that notebooks show from the record (25 CPU minutes)
	$(PYTHON) tests/benchmarks/repeats.py
	$(PYTHON) tests/benchmarks/sequences.py

runs: $(VENV) data  ## reproduce: the runs that the panels come with, trained again (a quarter of an hour)
	$(PYTHON) tests/benchmarks/recorded_runs.py

benchmark: $(VENV) data  ## reproduce: rival libraries side by side with ours; FULL=1 for the slow ones, too; SCALE=1: 20 million ratings
ifdef SCALE
	$(PYTHON) tests/benchmarks/scale.py
	$(PYTHON) tests/benchmarks/scale.py --fits
	$(PYTHON) tests/benchmarks/scale.py --run
	$(PYTHON) tests/benchmarks/linear_ranks.py
	$(PYTHON) tests/benchmarks/optimizers_at_size.py
else
	$(PYTHON) tests/benchmarks/run.py $(if $(FULL),--full)
	$(PYTHON) tests/benchmarks/training_speed.py
	$(PYTHON) tests/benchmarks/serving_load.py
	$(PYTHON) tests/benchmarks/nearest_speed.py
	$(if $(FULL),$(PYTHON) tests/benchmarks/sequence_rivals.py)
	$(if $(FULL),$(PYTHON) tests/benchmarks/training_speed.py --large)
endif

.venv-site/ready: docs/requirements.txt
	@$(FIND_PYTHON); echo "making .venv-site, the site's builder (250 MB, half a minute)"; $$found -m venv .venv-site
	@.venv-site/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r docs/requirements.txt
	@touch $@

site: .venv-site/ready  ## learn: lessons, pages and code as a site to read, build/site/index.html; nothing is run (a minute)
	@.venv-site/bin/python -m sphinx --quiet --fail-on-warning --keep-going -b html -c docs . build/site
	@.venv-site/bin/python docs/check_links.py build/site
	@echo "made: build/site/index.html; open it in a browser"

exercises: $(VENV) data  ## maintain: the exercises' notebooks and solutions again from their masters
	$(PYTHON) notebooks/exercises/make.py

record: notebooks  ## maintain: keep the numbers of your last run as the recorded ones
	$(PYTHON) -m report.build record
	$(PYTHON) -m report.build readme
	$(PYTHON) -m report.build picture

lock:  ## maintain: requirements.txt again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv" >&2; exit 1; }
	@{ echo "# Pins for Linux, Apple silicon and Windows. Compiled from pyproject.toml by 'make lock'; do not edit."; \
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --group test pyproject.toml \
		| sed -E -f .lock.sed; } > requirements.new && mv requirements.new requirements.txt

clean:  ## maintain: everything that was made, but not the data
	rm -rf .venv .venv-site tests/benchmarks/.venv build report/generated report/figures *.egg-info
	cd report && rm -f main.pdf mine.pdf main.aux main.bbl main.blg main.fdb_latexmk main.fls main.log main.out main.upa main.upb
	find . -name __pycache__ -prune -exec rm -rf {} +

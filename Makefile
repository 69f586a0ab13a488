# make demo   train chapter 13 on Korean and English sentences, and translate some
# make test   run all tests, as CI does
# make site   build the course as pages into site/
#
# All make .venv first, if need be. README.md has the same as plain commands.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# Nothing is written outside this folder.
export PIP_NO_CACHE_DIR = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export XDG_CACHE_HOME = $(CURDIR)/$(VENV)/cache
export MPLCONFIGDIR = $(CURDIR)/$(VENV)/cache/matplotlib

.PHONY: demo test test-long test-oldest site format clean

demo: $(VENV)/course
	cd 13_transformer && ../$(BIN)/python train.py --model_fn demo.pth
	cd 13_transformer && ../$(BIN)/python translate.py --model_fn demo.pth \
		--ref_fn sample/test.en < sample/test.ko > /dev/null
	@cd 13_transformer && head -n 8 sample/test.ko
	cd 13_transformer && head -n 8 sample/test.ko | ../$(BIN)/python translate.py \
		--model_fn demo.pth --attention_fn demo.attention.png
	@echo 'pictures: 13_transformer/demo.png 13_transformer/demo.attention.png'

test: $(VENV)/development
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# The campaigns whole: hundreds of kills, long fuzzing, the longest trainings of READMEs.
test-long: $(VENV)/development
	TEST_LONG=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# The tests again, with the oldest releases that requirements.txt allows.
test-oldest:
	$(MAKE) test VENV=.venv-oldest OLDEST=1

# Needs npm, for the network runtime of the playgrounds and for the tests.
site: $(VENV)/development | tools/site/node_modules
	$(BIN)/python tools/site/build.py --out_dir site

tools/site/node_modules:
	npm ci --no-audit --no-fund --prefix tools/site

format: $(VENV)/development
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .venv-oldest site tools/site/node_modules

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps are younger than what they were made from: make installs but once.
$(VENV)/course: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

$(VENV)/development: requirements.txt requirements-dev.txt | $(BIN)/python
ifdef OLDEST
	sed 's/>=/==/' requirements.txt > $(VENV)/oldest.txt
	$(BIN)/python -m pip install -r requirements-dev.txt -c $(VENV)/oldest.txt
else
	$(BIN)/python -m pip install -r requirements-dev.txt
endif
	touch $@ $(VENV)/course

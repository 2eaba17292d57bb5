# make lab     JupyterLab on your own copies of the notebooks
# make report  notebook 00 headless, to an HTML page
# make test    everything that is checked, each notebook in its first settings
# make test-all   the notebooks in their other settings, too, and the making of the shipped weights
# make test-gpu    what needs one GPU, and gpu.json: what ran, seconds, memory, tokens a second
# Each sets up .venv first; all that is needed is Python 3.11 to 3.14 and make.

PYTHON  ?= python3
PROFILE ?= cpu
# Processes at a time, one thread each.
JOBS    ?= 2
# Which studies `make study` runs again.
STUDIES ?= foundations select tournament mastered reachable present guides forms sampling tarot update warm_up_length warm_up_chains
# Where torch comes from. PyPI's build for Linux brings CUDA (2.7 GB); without an NVIDIA driver the
# CPU build does. Empty: PyPI.
ifeq ($(shell uname -s)$(shell command -v nvidia-smi),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
TORCH := $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
PIP   := .venv/bin/python -m pip --disable-pip-version-check

export OMP_WAIT_POLICY = PASSIVE

.PHONY: lab report test test-all test-gpu study readme pictures format

lab: .venv/.set-up
	.venv/bin/currlab lab

report: .venv/.set-up
	.venv/bin/currlab run 00 --profile $(PROFILE)

test: .venv/.set-up-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not notebook and not browser and not second"
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(JOBS) --dist worksteal -m "(notebook or browser) and not second"

test-all: test
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(JOBS) --dist worksteal -m second

test-gpu: .venv/.set-up-test
	.venv/bin/python -m pytest tests/gpu --gpu-report gpu.json

study: .venv/.set-up
	for name in $(STUDIES); do \
	  OMP_NUM_THREADS=1 .venv/bin/currlab study $$name --workers $(JOBS) --ship || exit 1; done

# The README's table of strategies, from the registry and the atlas.
readme: .venv/.set-up
	.venv/bin/python .ci/fill_readme.py README.md

# The README's pictures, as the browser tests see them.
pictures: .venv/.set-up-test
	.venv/bin/python .ci/screenshots.py .github/images

format: .venv/.set-up-test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/python .ci/strip_notebooks.py notebooks/*.ipynb

.venv/.set-up: pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15) and \
	  "Python 3.11 to 3.14 is needed; choose one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@# An index that cannot be reached costs a few seconds; the next line then takes PyPI's torch.
	test -z "$(TORCH_INDEX)" || $(PIP) install --no-deps --retries 1 --timeout 15 \
	  --index-url $(TORCH_INDEX) $(TORCH) || echo "$(TORCH_INDEX) failed; trying PyPI"
	$(PIP) install -c .ci/constraints.txt -e .
	touch $@

.venv/.set-up-test: .venv/.set-up
	$(PIP) install -c .ci/constraints.txt -e '.[cluster,gym,test]'
	touch $@

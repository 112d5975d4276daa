"""Let `import torchvision` work beside a CPU-only torch: the `sitecustomize.py` of the test server's environment.

The torchvision wheel on the package index is built against CUDA. Its compiled operators cannot load beside a CPU
build of torch, and `import torchvision` then fails while registering fake kernels for two operators that do not
exist. Declaring those two schemas first is enough: the image and video transforms are pure PyTorch. This is for
the CPU server of the tests only; users' torch and torchvision come from the same index.
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_KEPT: list[object] = []
"""The declared library must live as long as the process."""


class _DeclareTorchvisionOperators(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _KEPT.append(library)
        return None


sys.meta_path.insert(0, _DeclareTorchvisionOperators())

"""What a run rests on besides its recipe: code, versions, machine; and what the machine can do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from vaemo_clips.errors import RecipeError
from vaemo_clips.workers import num_cores
from vaemo_train.training.recipe import TrainingRecipe

_PACKAGES = (
    "vaemo", "torch", "transformers", "accelerate", "sentence-transformers", "numpy", "pyarrow", "simplejpeg",
    "safetensors",
)  # fmt: skip


def num_processes() -> int:
    """Return how many processes train together, as torchrun and accelerate tell it."""
    return max(int(os.environ.get("WORLD_SIZE", "1") or "1"), 1)


def rank() -> int:
    """Return the number of this process among those that train together."""
    return int(os.environ.get("RANK", "0") or "0")


def join_processes() -> None:
    """Let those that were started together know one another, before any of them trains."""
    if num_processes() == 1:
        return
    import torch
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available())


def resolve_bf16(recipe: TrainingRecipe) -> bool:
    """Return whether matrix products are in bfloat16. Raises RecipeError where the machine has none."""
    wanted = recipe.precision.bf16
    if wanted is False:
        return False
    able, where = has_bf16()
    if wanted is True and not able:
        raise RecipeError(f"precision.bf16: {where} has no bfloat16; give auto or false")
    return able


def has_bf16() -> tuple[bool, str]:
    """Return whether this machine multiplies in bfloat16, and the name of what does or does not."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False)), torch.cuda.get_device_name()
    return _cpu_has_bf16(), f"this CPU ({torch.backends.cpu.get_cpu_capability()})"


def check_compile(recipe: TrainingRecipe) -> None:
    """Raise RecipeError where the recipe asks for torch.compile and there is no compiler."""
    import torch

    if not recipe.compile:
        return
    if torch.cuda.is_available():
        from torch.utils._triton import has_triton

        able, lacking = has_triton(), "Triton"
    else:
        able = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))
        lacking = "a C++ compiler (g++)"
    if not able:
        raise RecipeError(
            f"compile: torch.compile needs {lacking}, which is not here; install it, or --set compile=false"
        )


def versions() -> dict[str, str]:
    """Return the versions of Python and of what a result rests on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what the machine is; never its name."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": num_cores(),
        "memory_gb": round(memory_bytes / 1e9, 1),
        "gpus": gpus,
        "cuda": torch.version.cuda,
    }


def git_state() -> dict[str, Any] | None:
    """Return the revision of the toolkit's own source and whether it was edited, None outside a git tree."""
    source = Path(__file__).resolve()
    tracked = _git(source.parent, "ls-files", "--error-unmatch", "__init__.py")
    revision = _git(source.parent, "rev-parse", "HEAD")
    if tracked is None or revision is None:
        return None
    return {"revision": revision, "dirty": bool(_git(source.parent, "status", "--porcelain", "-uno"))}


def command_line() -> list[str]:
    """Return the command that began the run."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bfloat16 (AVX512-BF16, AMX, or Arm's): elsewhere it is emulated, slowly."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine() == "arm64"
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")

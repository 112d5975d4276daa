"""One training step of stage 1 on synthetic input: forward, backward, clipping, AdamW.

Prints clips a second, where the FLOPs go, the share of the machine's own matrix-multiply rate that they reach
(model-FLOPs utilisation: three times the forward FLOPs, over the time), and the peak of memory.

    python -m benchmarks.stage1_step --size vaemo-base --batch-size 8
    python -m benchmarks.stage1_step --size vaemo-base --batch-size 8 --decoder 384x4 --target-share 1
    python -m benchmarks.stage1_step --size vaemo-base --batch-size 512 --device cuda --bf16 --compile
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import time
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import describe_machine
from vaemo_train.models import VAEmoConfig, VAEmoForPreTraining
from vaemo_train.training.compiled import compile_blocks
from vaemo_train.training.optimizer import adamw
from vaemo_train.training.settings import OptimSettings

_PARTS = ("vaemo.embedding", "vaemo.lower", "vaemo.upper", "decoder", "contrastive")


def main() -> None:
    """Measure and print."""
    options = _options()
    torch.manual_seed(options.seed)
    width, _, depth = options.decoder.partition("x")
    config = VAEmoConfig.of_size(
        options.size, decoder_hidden_size=int(width), decoder_num_layers=int(depth),
        decoder_num_heads=max(int(width) // 64, 1), target_share=options.target_share,
    )  # fmt: skip
    model = VAEmoForPreTraining(config).to(options.device)
    inputs = _inputs(config, options)
    print(describe_machine("stage1_step", ["torch", "transformers"], options.seed))
    if options.device == "cuda":
        print(torch.cuda.get_device_name())
    flops = _flops(model, inputs, options)
    seconds = _seconds_a_step(model, inputs, options)
    step_s = statistics.median(seconds)
    print(f"{options.size}, decoder {options.decoder} on {options.target_share:.0%} of the hidden tokens, batch "
          f"{options.batch_size}, {_precision(options)}{', compiled' if options.compile else ''}; "
          f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, "
          f"{sum(p.numel() for p in model.vaemo.parameters()) / 1e6:.1f} M of them the encoder")  # fmt: skip
    print(f"{options.batch_size / step_s:,.2f} clips/s (median of {len(seconds)} steps; fastest "
          f"{options.batch_size / min(seconds):,.2f}, slowest {options.batch_size / max(seconds):,.2f})")  # fmt: skip
    total = flops["total"]
    shares = ", ".join(f"{name} {flops[name] / total:.0%}" for name in _PARTS)
    print(f"{total / 2e9:.2f} GMACs forward a clip: {shares}; {3 * total / 1e9:.1f} GFLOPs a training step and clip")
    peak = _matmul_rate(options)
    reached = 3 * total * options.batch_size / step_s
    print(f"model-FLOPs utilisation {reached / peak:.0%}: {reached / 1e12:.3f} of {peak / 1e12:.3f} TFLOP/s, "
          f"which a large matrix product reaches here")  # fmt: skip
    print(f"peak memory {_peak_bytes(options) / 2**30:.2f} GiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="vaemo-base")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--decoder", default="256x2", metavar="WIDTHxDEPTH")
    parser.add_argument("--target-share", type=float, default=0.25)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _precision(options: argparse.Namespace) -> str:
    return "bf16" if options.bf16 else "fp32"


def _autocast(options: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast(options.device, torch.bfloat16) if options.bf16 else contextlib.nullcontext()


def _inputs(config: VAEmoConfig, options: argparse.Namespace) -> dict[str, torch.Tensor]:
    clips, device, side = options.batch_size, options.device, config.image_size
    return {
        "pixel_values_videos": torch.rand(clips, config.num_frames, 3, side, side, device=device) * 2 - 1,
        "input_features": torch.randn(clips, config.num_audio_frames, config.num_mel_bins, device=device),
    }


def _flops(
    model: VAEmoForPreTraining, inputs: dict[str, torch.Tensor], options: argparse.Namespace
) -> dict[str, float]:
    """Forward FLOPs a clip, whole and by part; two for a multiplication with its addition.

    Attention is done by plain matrix products: the counter does not see into the CPU's fused kernel.
    """
    few = {name: value[:1] for name, value in inputs.items()}
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model(**few, batch_seed=0)
    counts = {name: sum(parts.values()) for name, parts in counter.get_flop_counts().items()}
    found = {"total": float(counter.get_total_flops())}
    for part in _PARTS:
        # A list of blocks has no forward of its own: its blocks are added up.
        own = counts.get(f"VAEmoForPreTraining.{part}")
        blocks = [n for name, n in counts.items() if name.rpartition(".")[0] == f"VAEmoForPreTraining.{part}"]
        found[part] = float(own if own is not None else sum(blocks))
    return found


def _seconds_a_step(
    model: VAEmoForPreTraining, inputs: dict[str, torch.Tensor], options: argparse.Namespace
) -> list[float]:
    """Seconds of each step after the warm-up."""
    optimizer = adamw(model, OptimSettings(), peak_lr=1e-4)
    if options.compile:
        compile_blocks(model)
    seconds = []
    for step in range(3 + options.steps):
        _synchronise(options)
        began = time.perf_counter()
        with _autocast(options):
            loss = model(**inputs, batch_seed=step).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        _synchronise(options)
        if step >= 3:
            seconds.append(time.perf_counter() - began)
    return seconds


def _matmul_rate(options: argparse.Namespace) -> float:
    """FLOP/s of a large square matrix product, the best of several."""
    side = 8192 if options.device == "cuda" else 2048
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    a, b = (torch.randn(side, side, device=options.device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        _synchronise(options)
        began = time.perf_counter()
        a @ b
        _synchronise(options)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def _peak_bytes(options: argparse.Namespace) -> float:
    if options.device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _synchronise(options: argparse.Namespace) -> None:
    if options.device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()

"""Analysis frames: 50 ms of sound every 10 ms, the same ones whatever blocks the sound comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

HOPS_A_FRAME = 5
"""50 ms: three periods of a 60 Hz voice, which its pitch needs (Boersma 1993)."""
_HOPS_AT_ONCE = 256  # 2.56 s: the spectra of a stretch stay in the processor's cache
_HOPS_A_SECOND = 100


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive hops of sound with two hops of context on both sides, so that frame i is centred on hop i.

    `samples` ((F + 4) * hop,), finite. `is_broken` (F,): the hop had samples that were not finite.
    `num_samples`: real samples among the F hops; the last hop of a sound may be cut short.
    """

    samples: NDArray[np.float32]
    is_broken: NDArray[np.bool_]
    hop: int
    num_samples: int

    @property
    def frames(self) -> NDArray[np.float32]:
        """Read-only view of the frames, (F, 5 * hop)."""
        return sliding_window_view(self.samples, HOPS_A_FRAME * self.hop)[:: self.hop]


def hop_samples(rate_hz: int) -> int:
    """Samples in 10 ms. Raises ValueError for a rate that the analysis cannot work at."""
    if rate_hz < 8000 or rate_hz % 200:
        raise ValueError(f"rate_hz={rate_hz}: voices are measured at 8000 Hz or more, in multiples of 200")
    return rate_hz // _HOPS_A_SECOND


def stretches(blocks: Iterable[NDArray[np.float32]], rate_hz: int) -> Iterator[Stretch]:
    """Cut consecutive blocks of sound into stretches whose borders do not depend on the blocks'.

    Samples that are not finite become 0 and mark their hop. Before and after the sound is silence.
    """
    hop = hop_samples(rate_hz)
    size, margin = _HOPS_AT_ONCE * hop, (HOPS_A_FRAME // 2) * hop
    held = [np.zeros(margin, np.float32)]
    num_held = margin
    for block in blocks:
        held.append(np.asarray(block, np.float32))
        num_held += len(block)
        while num_held >= size + 2 * margin:
            whole = np.concatenate(held)
            yield _stretch(whole[: size + 2 * margin], hop, size)
            held, num_held = [whole[size:]], num_held - size
    whole, rest = np.concatenate(held), num_held - margin
    for first in range(0, rest, size):
        num_samples = min(size, rest - first)
        num_hops = -(-num_samples // hop)
        wide = np.zeros(num_hops * hop + 2 * margin, np.float32)
        part = whole[first : first + len(wide)]
        wide[: len(part)] = part
        yield _stretch(wide, hop, num_samples)


def _stretch(samples: NDArray[np.float32], hop: int, num_samples: int) -> Stretch:
    is_finite = np.isfinite(samples)
    is_broken = ~np.all(is_finite.reshape(-1, hop)[2:-2], axis=1)
    if not is_finite.all():
        samples = np.where(is_finite, samples, np.float32(0))
    return Stretch(samples, is_broken, hop, num_samples)

"""Is the learning healthy? Reconstruction, retrieval and spread on clips that are not trained on.

Nothing is chosen by these numbers. B clips, N tokens, P values of a token, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import Batch
from vaemo_train.data.dataset import EvenWindows
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.evaluate.rank import Spread, spread
from vaemo_train.evaluate.retrieval import Retrieval, retrieval
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.encoder import VAEmoOutput
from vaemo_train.models.pretraining import Reconstruction, VAEmoForPreTraining
from vaemo_train.training.evaluating import LABEL_COLUMNS, MOST_AT_ONCE, evaluating, on_device

if TYPE_CHECKING:
    from vaemo_train.shards.folder import ShardFolder


@dataclass(frozen=True, slots=True)
class PartError:
    """Mean squared error of one part's predictions, and of the best constant: the mean of each position's targets.

    The mean is over the very tokens that are predicted, so no other constant has a smaller error.
    """

    error: float
    mean_error: float

    @property
    def ratio(self) -> float:
        """The model's error over that of the mean: below 1 it has learnt more than where things are."""
        return self.error / self.mean_error if self.mean_error > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the held-out clips say at one step."""

    num_clips: int
    reconstruction: dict[str, PartError]
    retrieval: Retrieval | None
    spread: Spread | None

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: monitor/audio_ratio, monitor/top1, monitor/effective_rank, …; no undefined values."""
        values: dict[str, float] = {}
        for name, part in self.reconstruction.items():
            values |= {f"{name}_error": part.error, f"{name}_mean_error": part.mean_error, f"{name}_ratio": part.ratio}
        values |= self.retrieval.as_dict() if self.retrieval else {}
        values |= self.spread.as_dict() if self.spread else {}
        return {f"monitor/{name}": value for name, value in values.items() if not np.isnan(value)}

    def lines(self, step: int) -> Iterator[str]:
        """As people read it: see `monitor_table`."""
        from vaemo_train.stage1.monitor_table import monitor_lines

        return monitor_lines(step, self)


class Monitor:
    """Measures a model on one window of each of some rows; masks and windows are the same every time."""

    def __init__(
        self, folder: ShardFolder, rows: NDArray[np.int64], config: VAEmoConfig, *, seed: int, batch_size: int
    ) -> None:
        """`rows` are numbers of the folder's rows, one of each clip."""
        self._windows = EvenWindows(folder, rows)
        self._batches = DistinctWindows(self._windows, min(batch_size, MOST_AT_ONCE))
        self._augment = Augment(None, config.image_size, config.log_mel_mean, config.log_mel_std)
        self._config, self._seed = config, seed
        table = folder.rows.take(rows)
        self._clips = table["clip_id"].to_pylist()
        self._speakers = table["speaker"].to_pylist() if "speaker" in table.column_names else None
        label = next((name for name in LABEL_COLUMNS if name in table.column_names), None)
        self._labels = table[label].to_pylist() if label else None

    def measure(self, model: VAEmoForPreTraining, bf16: bool = False) -> Diagnostics:
        """Run the held-out clips through the model as it is; its mode and torch's random numbers stay as they were."""
        sums = {name: _Errors() for name in ("video_pixels", "video_motion", "audio")}
        pooled: list[NDArray[np.float32]] = []
        pairs: list[_Pairs] = []
        with evaluating(model, bf16):
            for number, keys in enumerate(self._batches):
                batch = on_device(self._windows.__getitems__(keys), model.device)
                inputs = self._augment(batch)
                found = model(**inputs, batch_seed=self._mask_seed(number), return_reconstruction=True).reconstruction
                _add_errors(sums, found, self._config)
                encoded = model.vaemo(**inputs)
                pooled.append(_numpy(encoded.pooler_output))
                pairs += _pairs(model, encoded, batch, [item for _, item in keys])
        return Diagnostics(
            num_clips=len(self._clips),
            reconstruction={name: errors.result() for name, errors in sums.items() if errors.num_values},
            retrieval=self._retrieval(pairs),
            spread=spread(np.concatenate(pooled), self._clips) if len(self._clips) > 1 else None,
        )

    def _mask_seed(self, batch: int) -> int:
        return int(np.random.SeedSequence([self._seed, batch]).generate_state(1, np.uint64)[0] >> 2)

    def _retrieval(self, pairs: list[_Pairs]) -> Retrieval | None:
        """Of the clips with picture and sound; None for fewer than two."""
        items = [item for part in pairs for item in part.items]
        if len(items) < 2:
            return None
        return retrieval(
            np.concatenate([part.video for part in pairs]),
            np.concatenate([part.audio for part in pairs]),
            labels=_taken(self._labels, items),
            speakers=_taken(self._speakers, items),
            clips=_taken(self._clips, items),
            begins_s=np.concatenate([part.begins_s for part in pairs]),
            seed=self._seed,
        )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Of the clips of a batch with both modalities: their places, embeddings (B, P), and where their windows begin."""

    items: list[int]
    video: NDArray[np.float32]
    audio: NDArray[np.float32]
    begins_s: NDArray[np.float64]


def _pairs(model: VAEmoForPreTraining, encoded: VAEmoOutput, batch: Batch, items: list[int]) -> list[_Pairs]:
    """The pairs of a batch: of the clips with a token of both modalities."""
    video_BP, audio_BP, has_both_B = model.project(encoded)
    if video_BP is None or audio_BP is None:
        return []
    return [
        _Pairs(
            [item for item, has_both in zip(items, has_both_B.tolist(), strict=True) if has_both],
            _numpy(video_BP[has_both_B]),
            _numpy(audio_BP[has_both_B]),
            batch["window_begin_s"][has_both_B].cpu().numpy(),
        )
    ]


class _Errors:
    """Squared errors of one part, and what the mean of each position would have had."""

    def __init__(self) -> None:
        self.num_values = 0
        self._squares = 0.0
        self._target_squares = 0.0
        self._count_N: Tensor | None = None
        self._sum_NP: Tensor | None = None

    def add(self, is_masked_BN: Tensor, target_BNP: Tensor, prediction_BNP: Tensor) -> None:
        """Add a batch; both are 0 where a token is not masked."""
        target_BNP, prediction_BNP = target_BNP.double(), prediction_BNP.double()
        self._squares += float((prediction_BNP - target_BNP).square().sum())
        self._target_squares += float(target_BNP.square().sum())
        self.num_values += int(is_masked_BN.sum()) * target_BNP.shape[-1]
        count_N, sum_NP = is_masked_BN.sum(dim=0).double(), target_BNP.sum(dim=0)
        self._count_N = count_N if self._count_N is None else self._count_N + count_N
        self._sum_NP = sum_NP if self._sum_NP is None else self._sum_NP + sum_NP

    def result(self) -> PartError:
        """sum (x - mean)^2 = sum x^2 - (sum x)^2 / n at each position and value."""
        assert self._count_N is not None
        assert self._sum_NP is not None
        explained = float((self._sum_NP.square() / self._count_N.clamp(min=1)[:, None]).sum())
        return PartError(
            error=self._squares / self.num_values,
            mean_error=max(self._target_squares - explained, 0.0) / self.num_values,
        )


def _add_errors(sums: dict[str, _Errors], found: Reconstruction, config: VAEmoConfig) -> None:
    if found.video_mask is not None and found.video_target is not None and found.video_prediction is not None:
        sizes = [config.num_pixels, config.num_motion]
        targets, predictions = found.video_target.split(sizes, -1), found.video_prediction.split(sizes, -1)
        for name, target, prediction in zip(("video_pixels", "video_motion"), targets, predictions, strict=True):
            sums[name].add(found.video_mask, target, prediction)
    if found.audio_mask is not None and found.audio_target is not None and found.audio_prediction is not None:
        sums["audio"].add(found.audio_mask, found.audio_target, found.audio_prediction)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array


def _taken(column: list[Any] | None, items: list[int]) -> list[Any] | None:
    return None if column is None else [column[item] for item in items]

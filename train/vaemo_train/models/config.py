"""The configuration of the unified encoder and of its heads for pre-training and for alignment with captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from transformers import PreTrainedConfig

Size = Literal["vaemo-tiny", "vaemo-small", "vaemo-base"]
SIZES: dict[str, dict[str, int]] = {
    "vaemo-tiny": {"hidden_size": 192, "num_attention_heads": 3},
    "vaemo-small": {"hidden_size": 384, "num_attention_heads": 6},
    "vaemo-base": {"hidden_size": 512, "num_attention_heads": 8},
}
"""Widths of HiCMAE's scale (arXiv 2401.05698); those of VAEmo itself are not public, so these are our choice."""

ALIGNMENT_PATHS = ("visual", "acoustic", "affect")
"""What descriptions are aligned with: video alone, sound alone, and all that a clip has, fused."""
CENTRINGS = ("clips", "speakers")
HEAD_POOLINGS = ("mean", "statistics", "bands")
HEAD_LAYERS = ("last", "all")
REGRESSION_LOSSES = ("ccc", "mse")
LOSS_PARTS = ("video_pixels", "video_motion", "audio", "contrastive")


class VAEmoConfig(PreTrainedConfig):
    """Settings of `VAEmoModel` and of the models around it; every default is our choice, not the paper's.

    Input: `num_frames` pictures of `image_size` px, `frame_stride_s` apart, in tubelets of `tubelet_frames` pictures
    and `patch_size` px; `num_audio_frames` frames of `num_mel_bins` log-mel bins, `audio_hop_s` apart, in patches of
    `patch_size` x `patch_size`. Both cover the same seconds.

    Encoder: `num_unimodal_layers` blocks with attention within a modality, then `num_cross_layers` across both.

    Pre-training: a share `video_mask_ratio` of the places (tubes) and `audio_mask_ratio` of the audio patches is
    hidden; a `target_share` of the hidden tokens is decoded. With `within_probability` the upper blocks of a step stay
    within the modality. The floors are standard deviations below which a target is not stretched: of pixels and their
    differences in [-1, 1], and of normalised log-mel. `log_mel_mean` and `log_mel_std` normalise the natural logarithm
    of energy. The contrastive loss compares windows as wholes, or where `contrastive_steps` is above 1 their courses
    over so many stretches, moment by moment.

    Alignment with captions (stage 2): descriptions as vectors of `text_size` from the frozen `text_model` meet clips in
    `alignment_size` dimensions, at a temperature of each path that begins at `alignment_temperature` and stays between
    its bounds. `alignment_centring` says what mean is taken off a clip's vector, that of all clips or of its speaker's.
    `alignment_alone_weight` weighs the fused path with each modality alone against that with both. A share `soft_share`
    of a target goes by how alike descriptions are beyond their mean, at `soft_temperature`.

    Downstream: `problem_type`, `id2label` and `num_labels` are those of transformers; a regression's labels are the
    names of its targets. The head reads the mean, mean and deviation ("statistics"), or these for each band ("bands":
    a row of patches of the face, a mel patch), of the tokens of the "last" block, or of "all" weighed by a learned
    softmax. In training a step leaves out a `video_drop_ratio` of the places and an `audio_drop_ratio` of the moments,
    and with `one_modality_probability` all of one modality; blocks are skipped for a clip with up to `drop_path_rate`,
    growing with depth. `class_weights` (one a label) and `label_smoothing` are the classification's,
    `regression_weights` weigh 1 - CCC and the mean squared error.
    """

    model_type = "vaemo"

    hidden_size: int = 512
    num_attention_heads: int = 8
    num_unimodal_layers: int = 8
    num_cross_layers: int = 4
    mlp_ratio: int = 4
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    num_frames: int = 16
    frame_stride_s: float = 0.16
    image_size: int = 160
    num_channels: int = 3
    tubelet_frames: int = 2
    patch_size: int = 16
    num_mel_bins: int = 128
    num_audio_frames: int = 256
    audio_hop_s: float = 0.01
    sampling_rate: int = 16_000
    log_mel_mean: float = -17.5
    log_mel_std: float = 4.5

    decoder_hidden_size: int = 256
    decoder_num_layers: int = 2
    decoder_num_heads: int = 4
    target_share: float = 0.25
    video_mask_ratio: float = 0.9
    audio_mask_ratio: float = 0.8
    within_probability: float = 0.3
    pixel_std_floor: float = 0.04
    motion_std_floor: float = 0.08
    mel_std_floor: float = 0.3
    projection_size: int = 256
    contrastive_steps: int = 1
    contrastive_temperature: float = 0.07
    loss_weights: dict[str, float] | None = None

    text_model: str | None = None
    text_model_digest: str | None = None
    text_size: int = 384
    alignment_size: int = 256
    alignment_temperature: float = 0.07
    alignment_temperature_min: float = 0.01
    alignment_temperature_max: float = 0.5
    soft_share: float = 0.0
    soft_temperature: float = 0.1
    alignment_weights: dict[str, float] | None = None
    alignment_alone_weight: float = 0.5
    alignment_centring: str = "clips"

    head_pooling: str = "bands"
    head_layers: str = "last"
    head_dropout: float = 0.0
    drop_path_rate: float = 0.0
    video_drop_ratio: float = 0.0
    audio_drop_ratio: float = 0.0
    one_modality_probability: float = 0.0
    label_smoothing: float = 0.0
    class_weights: list[float] | None = None
    regression_weights: dict[str, float] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in the weights of the loss and check what the shapes rest on. Raises ValueError."""
        weights = {"video_pixels": 1.0, "video_motion": 1.0, "audio": 1.0, "contrastive": 0.0025}
        self.loss_weights = {**weights, **(self.loss_weights or {})}
        self.alignment_weights = {**dict.fromkeys(ALIGNMENT_PATHS, 1.0), **(self.alignment_weights or {})}
        self.regression_weights = {**dict.fromkeys(REGRESSION_LOSSES, 1.0), **(self.regression_weights or {})}
        _check_names("regression_weights", self.regression_weights, REGRESSION_LOSSES)
        _check_names("loss_weights", self.loss_weights, LOSS_PARTS)
        _check_names("alignment_weights", self.alignment_weights, ALIGNMENT_PATHS)
        self._check_shapes()
        self._check_alignment()
        self._check_head()
        super().__post_init__(**kwargs)

    def _check_shapes(self) -> None:
        for whole, part in (
            ("hidden_size", "num_attention_heads"),
            ("decoder_hidden_size", "decoder_num_heads"),
            ("num_frames", "tubelet_frames"),
            ("image_size", "patch_size"),
            ("num_mel_bins", "patch_size"),
            ("num_audio_frames", "patch_size"),
            ("projection_size", "contrastive_steps"),
            ("num_tubelets", "contrastive_steps"),
        ):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(f"{whole}={getattr(self, whole)} must be a multiple of {part}={getattr(self, part)}")
        for width in ("hidden_size", "decoder_hidden_size"):
            if getattr(self, width) % 8:
                raise ValueError(f"{width}={getattr(self, width)} must be a multiple of 8 (sine-cosine positions)")

    def _check_alignment(self) -> None:
        low, begin, high = self.alignment_temperature_min, self.alignment_temperature, self.alignment_temperature_max
        if not 0 < low <= begin <= high:
            raise ValueError(
                f"alignment_temperature={begin} must lie between alignment_temperature_min={low}, which is above 0, "
                f"and alignment_temperature_max={high}"
            )
        if self.alignment_centring not in CENTRINGS:
            raise ValueError(f"alignment_centring={self.alignment_centring!r} must be {' or '.join(CENTRINGS)}")
        if self.alignment_alone_weight < 0:
            raise ValueError(f"alignment_alone_weight={self.alignment_alone_weight} must not be negative")
        if not 0 <= self.soft_share <= 1:
            raise ValueError(f"soft_share={self.soft_share} must be between 0 and 1")
        if self.soft_temperature <= 0:
            raise ValueError(f"soft_temperature={self.soft_temperature} must be above 0")

    def _check_head(self) -> None:
        for setting, known in (("head_pooling", HEAD_POOLINGS), ("head_layers", HEAD_LAYERS)):
            if getattr(self, setting) not in known:
                raise ValueError(f"{setting}={getattr(self, setting)!r} must be {' or '.join(known)}")
        for setting in ("head_dropout", "drop_path_rate", "video_drop_ratio", "audio_drop_ratio", "label_smoothing"):
            if not 0 <= getattr(self, setting) < 1:
                raise ValueError(f"{setting}={getattr(self, setting)} must lie in [0, 1)")
        if not 0 <= self.one_modality_probability <= 1:
            raise ValueError(f"one_modality_probability={self.one_modality_probability} must lie in [0, 1]")

    @classmethod
    def of_size(cls, size: str, **overrides: Any) -> VAEmoConfig:
        """Return the configuration of a named size. Raises ValueError for a name that is none of `SIZES`."""
        if size not in SIZES:
            raise ValueError(f"size {size!r} is none of {', '.join(SIZES)}")
        return cls(**{**SIZES[size], **overrides})

    @property
    def size(self) -> str:
        """The name of the size with this width; "vaemo" for none of them."""
        return next((name for name, one in SIZES.items() if one["hidden_size"] == self.hidden_size), self.model_type)

    @property
    def num_tubelets(self) -> int:
        """Steps of a video in time."""
        return self.num_frames // self.tubelet_frames

    @property
    def num_places(self) -> int:
        """Patches of a picture."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def num_video_tokens(self) -> int:
        """Tubelets of a window, in the order time, height, width."""
        return self.num_tubelets * self.num_places

    @property
    def num_audio_tokens(self) -> int:
        """Patches of a window's log-mel, in the order time, mel."""
        return (self.num_audio_frames // self.patch_size) * (self.num_mel_bins // self.patch_size)

    @property
    def num_pixels(self) -> int:
        """Values of a tubelet."""
        return self.tubelet_frames * self.num_channels * self.patch_size**2

    @property
    def num_motion(self) -> int:
        """Values of the differences between the pictures of a tubelet."""
        return (self.tubelet_frames - 1) * self.num_channels * self.patch_size**2

    @property
    def window_s(self) -> float:
        """Seconds of picture and sound that one forward pass sees."""
        return self.num_frames * self.frame_stride_s


def _check_names(setting: str, weights: Mapping[str, float], parts: tuple[str, ...]) -> None:
    unknown = sorted(set(weights) - set(parts))
    if unknown:
        raise ValueError(f"{setting} names {', '.join(unknown)}; its parts are {', '.join(parts)}")

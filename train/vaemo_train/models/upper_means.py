"""The upper blocks in the scopes that stage 2's comparisons need, and the means of their tokens.

B clips, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import Tensor

from vaemo_train.models.alignment_heads import FUSED, MODALITIES_OF, Pair
from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.encoder import VAEmoModel
from vaemo_train.models.pooling import has_tokens, pooled


@dataclass(frozen=True, slots=True)
class UpperMeans:
    """By comparison the means (B, D) over a clip's tokens of video and of audio, 0 for a clip without the modality.

    `has` says which clips have a token of each, (B,). `across_BND` are the tokens across, where they were run.
    """

    by_name: dict[str, Pair]
    has: Pair
    across_BND: Tensor | None = None


def upper_means(
    encoder: VAEmoModel, lower_BND: Tensor, layout: Layout, names: Sequence[str], *, always_across: bool = False
) -> UpperMeans:
    """Run the upper blocks for the comparisons of `names`: across for the fused one, within a modality for others."""
    is_single = layout.num_video == 0 or layout.num_audio == 0  # then both scopes are the same
    alone = {modality for name in names if name != FUSED for modality in MODALITIES_OF[name]}
    across_BND: Tensor | None = None
    across: Pair = [None, None]
    within: Pair = [None, None]
    if always_across or FUSED in names or (is_single and alone):
        across_BND = encoder.run_upper(lower_BND, layout, "cross")
        across = pooled(across_BND.float(), layout)
    if is_single:
        within = across
    elif alone:
        tokens_BND, own = _only(alone, lower_BND, layout)
        within = pooled(encoder.run_upper(tokens_BND, own, "within").float(), own)
    by_name = {name: across if name == FUSED else within for name in names}
    return UpperMeans(by_name, _has(lower_BND, layout), across_BND)


def _has(lower_BND: Tensor, layout: Layout) -> Pair:
    """Which clips have a token of video, and of audio, (B,) each, None without the modality."""
    spans = (slice(0, layout.num_video), slice(layout.num_video, layout.num_video + layout.num_audio))
    return [
        has_tokens(layout.is_padding_BN, span, len(lower_BND), lower_BND.device) if span.stop > span.start else None
        for span in spans
    ]


def _only(modalities: Collection[int], hidden_BND: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    """The tokens of some modalities: no others are computed."""
    if set(modalities) == {VIDEO, AUDIO}:
        return hidden_BND, layout
    is_video = VIDEO in modalities
    span = slice(0, layout.num_video) if is_video else slice(layout.num_video, None)
    padding = None if layout.is_padding_BN is None else layout.is_padding_BN[:, span]
    own = Layout(layout.num_video, 0, padding) if is_video else Layout(0, layout.num_audio, padding)
    return hidden_BND[:, span], own

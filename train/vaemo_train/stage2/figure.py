"""Figures of clips and texts in the space that they share: how alike they are, and where they lie.

Shapes: n clips, K texts, P width of the shared space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import FigureError
from vaemo_train.evaluate.folds import Column, texts
from vaemo_train.training.picture import STYLE, rastered

MAX_NAMED: Final = 10
MAX_SHOWN: Final = 1000
MAX_ON_MAP: Final = 500
"""Clips, and texts; t-SNE of twice as many points takes seconds on one core."""
FEWEST_FOR_TSNE: Final = 30
OTHER: Final = "other"
UNLABELLED: Final = "no label"
_STYLE: Final[Any] = {**STYLE, "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False}
# Paul Tol's "muted" scheme (SRON technical note EPS/TN/09-002, 2021), safe for colour-blind eyes, and black.
_COLOURS: Final = (
    "#332288", "#CC6677", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#000000"
)  # fmt: skip
_GREY: Final = "#BBBBBB"
_DPI: Final = 130
_SIDE_IN: Final = 4.6
_LINE_IN: Final = 0.16
"""Of a line of text on paper."""

Floats = NDArray[np.float64]


def similarity_figure(
    similarity_Kn: NDArray[Any], text_labels: Column, clip_labels: Column, title: str
) -> NDArray[np.uint8]:
    """Return a heat map of the cosines of K texts (lines) and n clips (columns), sorted by label, as (H, W, 3).

    The ten commonest labels are named, the others are one. Of more than 1,000 texts or clips, as many evenly spaced
    ones of the sorted are shown. Colours span the 1st to the 99th percentile. Raises FigureError where there is
    nothing to show, labels are not as many, or values are no numbers.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    _check_labels("text", len(similarity_Kn), text_labels)
    _check_labels("clip", similarity_Kn.shape[1], clip_labels)
    names = _named(text_labels, clip_labels)
    lines, columns = _Sorted.of(text_labels, names), _Sorted.of(clip_labels, names)
    shown = np.asarray(similarity_Kn[np.ix_(lines.rows, columns.rows)], np.float64)
    if not np.isfinite(shown).all():
        raise FigureError("a heat map of similarities that are no numbers; the weights are broken")
    low, high = np.percentile(shown, [1, 99])
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIDE_IN + 2.2, _SIDE_IN + 1.3), dpi=_DPI, layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", size=8)
        axis = figure.add_subplot()
        limits = {"vmin": low, "vmax": max(high, low + 1e-6)}
        image = axis.imshow(shown, cmap="viridis", aspect="auto", interpolation="antialiased", **limits)
        _name_blocks(axis.xaxis, columns, axis.axvline, rotation=40, ha="right", rotation_mode="anchor")
        _name_blocks(axis.yaxis, lines, axis.axhline)
        axis.set_xlabel(f"clips ({columns.count(similarity_Kn.shape[1])})")
        axis.set_ylabel(f"texts ({lines.count(len(similarity_Kn))})")
        axis.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axis, extend="both", shrink=0.7, pad=0.02)
        bar.set_label("cosine similarity")
        bar.outline.set_visible(False)
        return rastered(figure)


class _Sorted:
    """Rows in the order of their labels, thinned out to those shown; of each label, where its block begins and ends."""

    def __init__(self, rows: NDArray[np.int64], blocks: list[tuple[str, int, int]]) -> None:
        self.rows = rows
        self.blocks = blocks

    @classmethod
    def of(cls, labels: Column, names: Sequence[str]) -> _Sorted:
        groups = _grouped(labels, names)
        order = [*names, OTHER, UNLABELLED]
        numbers = np.array([order.index(group) for group in groups])
        rows = _thinned(np.argsort(numbers, kind="stable"), MAX_SHOWN)
        edges = np.searchsorted(numbers[rows], np.arange(len(order) + 1))
        spans = zip(order, edges.tolist(), edges[1:].tolist(), strict=False)
        return cls(rows, [(name, begin, end) for name, begin, end in spans if end > begin])

    def count(self, total: int) -> str:
        return f"{total:,}" if total == len(self.rows) else f"{len(self.rows):,} of {total:,}"


def _name_blocks(axis: Any, found: _Sorted, draw_line: Any, **text_style: Any) -> None:
    """Put each label's name beside the middle of its block, as far apart as they can be read, and lines between."""
    for _, begin, _ in found.blocks[1:]:
        draw_line(begin - 0.5, color="white", lw=0.8)
    middles = [(begin + end - 1) / 2 for _, begin, end in found.blocks]
    places = _apart(np.array(middles), len(found.rows) * _LINE_IN / _SIDE_IN, len(found.rows) - 1)
    axis.set_ticks(places, [name for name, _, _ in found.blocks], **text_style)
    axis.set_tick_params(length=0)


def _apart(places: Floats, gap: float, most: float) -> Floats:
    """Move ascending places as little as needed to be `gap` apart, within [0, most] where there is room."""
    moved = places.copy()
    for number in range(1, len(moved)):
        moved[number] = max(moved[number], moved[number - 1] + gap)
    moved[-1] = min(moved[-1], max(most, places[-1]))
    for number in range(len(moved) - 2, -1, -1):
        moved[number] = min(moved[number], moved[number + 1] - gap)
    return moved


def map_figure(
    clips_nP: NDArray[Any], texts_KP: NDArray[Any], clip_labels: Column, text_labels: Column, title: str
) -> NDArray[np.uint8]:
    """Return a map of clips (dots) and texts (stars) on a plane, coloured by label, as a picture (H, W, 3).

    Clips and texts are each centred on their own mean first, for the two kinds of a contrastive space lie apart by a
    constant (Liang et al., NeurIPS 2022, Mind the Gap), which would be all that a map shows. Below 30 points the plane
    is that of the two main axes, else t-SNE of the cosine (van der Maaten & Hinton, JMLR 2008) with a fixed seed, whose
    axes have no unit. Of more than 500 clips or texts, as many evenly spaced ones are shown. Raises FigureError where
    there are no clips or no texts, labels are not as many, or values are no numbers.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    _check_labels("clip", len(clips_nP), clip_labels)
    _check_labels("text", len(texts_KP), text_labels)
    names = _named(clip_labels, text_labels)
    kinds = []
    for vectors, labels in ((clips_nP, clip_labels), (texts_KP, text_labels)):
        rows = _thinned(np.arange(len(vectors)), MAX_ON_MAP)
        kinds.append((_centred(vectors)[rows], _grouped(labels, names)[rows]))
    places, method = _places(np.concatenate([vectors for vectors, _ in kinds]))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIDE_IN + 1.9, _SIDE_IN + 0.9), dpi=_DPI, layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", size=8)
        axis = figure.add_subplot()
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        num_clips = len(kinds[0][0])
        size = float(np.clip(300 / len(places), 0.4, 3))
        _scatter(axis, places[:num_clips], kinds[0][1], names, s=11 * size, **_DOT)
        _scatter(axis, places[num_clips:], kinds[1][1], names, s=48 * size, **_STAR)
        note = "each kind centred on its own mean" + ("; only neighbourhoods count" if method == "t-SNE" else "")
        counts = (_count(num_clips, len(clips_nP), "clips"), _count(len(kinds[1][0]), len(texts_KP), "texts"))
        axis.set_xlabel(f"{method} of {' and '.join(counts)},\n{note}", loc="left")
        _legend(figure, {*kinds[0][1], *kinds[1][1]}, names)
        return rastered(figure)


_DOT: Final[Any] = {"marker": "o", "linewidths": 0, "alpha": 0.75, "zorder": 2}
_STAR: Final[Any] = {"marker": "*", "linewidths": 0.35, "edgecolors": "white", "zorder": 3}


def _scatter(axis: Any, places: Floats, groups: NDArray[np.object_], names: Sequence[str], **style: Any) -> None:
    # The common grey lies below the colours.
    is_named = np.isin(groups.astype(str), list(names))
    for chosen in (~is_named, is_named):
        colours = [_colour(group, names) for group in groups[chosen]]
        axis.scatter(*places[chosen].T, c=colours, **style)


def _colour(group: str, names: Sequence[str]) -> str:
    return _COLOURS[names.index(group)] if group in names else _GREY


def _legend(figure: Any, present: set[str], names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    rest = " and ".join(group for group in (OTHER, UNLABELLED) if group in present)
    shown = {name: _colour(name, names) for name in [*names, *([rest] if rest else [])]}
    marks = [Line2D([], [], marker="s", ls="", ms=5, mew=0, color=colour, label=name) for name, colour in shown.items()]
    for noun, marker, size in (("clip", "o", 3.5), ("text", "*", 8)):
        marks.append(Line2D([], [], marker=marker, ls="", ms=size, mew=0, color="0.35", label=noun))
    figure.legend(handles=marks, loc="outside right center", frameon=False, handletextpad=0.3)


def _centred(vectors: NDArray[Any]) -> Floats:
    """Unit vectors of what each has beyond the mean of all; 0 for those that are the mean itself."""
    values = vectors.astype(np.float64)
    if not np.isfinite(values).all():
        raise FigureError("a map of embeddings that hold values that are no numbers; the weights are broken")
    values = values - values.mean(axis=0)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 1e-6, values / np.maximum(lengths, 1e-6), 0.0))


def _places(vectors: Floats) -> tuple[Floats, str]:
    """(n + K, 2) places on the plane, and by which method."""
    spread = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    if len(vectors) < FEWEST_FOR_TSNE or spread.max() < 1e-6:
        _, _, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        places = np.zeros((len(vectors), 2))
        places[:, : len(axes[:2])] = (vectors - vectors.mean(axis=0)) @ axes[:2].T
        return places, "two main axes"
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    reduced = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=0).fit_transform(vectors)
    return np.asarray(reduced, np.float64), "t-SNE"


def _named(*labels: Column) -> tuple[str, ...]:
    """The ten commonest labels, in order of their names."""
    counts = Counter(name for column in labels for name in texts(column) if name is not None)
    commonest = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_NAMED]
    return tuple(sorted(commonest))


def _grouped(labels: Column, names: Sequence[str]) -> NDArray[np.object_]:
    """Each label, or what stands for those that are not named."""
    groups = [UNLABELLED if name is None else name if name in names else OTHER for name in texts(labels)]
    return np.array(groups, object)


def _thinned(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.int64)]


def _count(shown: int, total: int, noun: str) -> str:
    return f"{total:,} {noun}" if shown == total else f"{shown:,} of {total:,} {noun}"


def _check_labels(noun: str, count: int, labels: Column) -> None:
    if count != len(labels) or not count:
        raise FigureError(f"a figure of {count} {noun}s with {len(labels)} labels; it needs one each, and at least one")

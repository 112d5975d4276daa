"""How right is the engine `cues`? Its emotions, confidence and arousal against the labels of a finished run.

vaemo-annotate index LABELLED.csv --out X.parquet      # columns path, label, speaker
vaemo-annotate run --engine cues --prompt prompts/cot_v2.yaml --clips X.parquet --out OUT
python -m benchmarks.cues_engine OUT
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import datasets
import numpy as np
import typer

from benchmarks.machine import describe_machine

_SAME = {"happy": "happiness", "sad": "sadness", "angry": "anger", "fearful": "fear", "surprised": "surprise"}
_ACTIVE = frozenset({"anger", "fear", "happiness", "surprise"})
_QUIET = frozenset({"neutral", "calm", "sadness"})
_NONE, _BINS = "none", 4


def main(out: Annotated[Path, typer.Argument(help="A finished run folder of labelled clips.")]) -> None:
    """Print the confusions, recall, confidence against truth, and how well arousal orders the labels."""
    print(describe_machine("cues_engine", ("numpy", "av", "ai-edge-litert")))
    rows = datasets.load_from_disk(str(out / "dataset")).to_list()
    labels = [_SAME.get(row["label"], row["label"]) for row in rows]
    named = [row["emotions"][0] if row["emotions"] else _NONE for row in rows]
    _print_confusions(labels, named)
    right = np.array([label == name for label, name in zip(labels, named, strict=True)])
    is_named = np.array([name != _NONE for name in named])
    recalls = [right[np.array(labels) == label].mean() for label in sorted(set(labels))]
    print(f"\nUAR {np.mean(recalls):.1%} over {len(recalls)} labels (chance {1 / len(recalls):.1%})")
    print(f"a name is given to {is_named.mean():.0%}; of these {right[is_named].mean():.0%} are right")
    _print_confidence(np.array([row["confidence"] or 0.0 for row in rows])[is_named], right[is_named])
    _print_arousal(labels, [row["arousal"] for row in rows])


def _print_confusions(labels: list[str], named: list[str]) -> None:
    counts = Counter(zip(labels, named, strict=True))
    columns = sorted(set(named))
    print("\n| label | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))
    for label in sorted(set(labels)):
        print(f"| {label} | " + " | ".join(str(counts[label, column]) for column in columns) + " |")


def _print_confidence(confidence: np.ndarray, right: np.ndarray) -> None:
    parts = np.array_split(np.argsort(confidence, kind="stable"), _BINS)
    shown = ", ".join(f"{confidence[part].mean():.2f}: {right[part].mean():.0%}" for part in parts)
    print(f"mean confidence of each quarter: share right: {shown}")


def _print_arousal(labels: list[str], arousal: list[float | None]) -> None:
    """Area under the curve: how often an active label's clip has more arousal than a quiet label's."""
    pairs = list(zip(labels, arousal, strict=True))
    active = np.array([value for label, value in pairs if label in _ACTIVE and value is not None])
    quiet = np.array([value for label, value in pairs if label in _QUIET and value is not None])
    above = (active[:, None] > quiet).mean() + 0.5 * (active[:, None] == quiet).mean()
    print(f"arousal of anger, fear, happiness, surprise above that of neutral, calm, sadness: AUC {above:.2f}")


if __name__ == "__main__":
    typer.run(main)

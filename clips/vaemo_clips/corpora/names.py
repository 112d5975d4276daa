"""Names of the corpora that are known, apart from their readers so that a command's help loads none."""

from __future__ import annotations

CORPUS_NAMES = (
    "crema-d",
    "dfew",
    "emodb",
    "iemocap",
    "mafw",
    "meld",
    "mer2023",
    "mer2024",
    "msp-improv",
    "ravdess",
)

"""Emo-DB: acted German, 10 speakers, 7 emotions.

Reads the files of the official release (download.zip: wav/03a01Fa.wav, 535 of them) by their names, in whatever folder
they lie: speaker (03), text (a01), emotion (the first letter of its German word), version (a).
"""

from __future__ import annotations

import re

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings, LeftOut

_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z])")
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}


def _read(findings: Findings) -> None:
    for name, (path, *copies) in findings.tree.by_stem().items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        speaker, text_code, letter, version = match.groups()
        label = _EMOTIONS[letter]
        findings.accept(name, path, label=label, speaker=speaker, text_code=text_code, version=version)
        for copy in copies:
            findings.leave_out(copy, LeftOut.ANOTHER_COPY)


EMODB = Corpus(
    name="emodb",
    title="Emo-DB",
    citation="Burkhardt et al. (2005), Interspeech",
    licence="free for research; see emodb.bilderbar.info",
    labels=tuple(_EMOTIONS.values()),
    folds="none are official; leave one speaker out by the column speaker (finetune --folds speaker)",
    layout="wav/03a01Fa.wav",
    columns=pa.schema([(name, pa.string()) for name in ("label", "speaker", "text_code", "version")]),
    reader=_read,
)

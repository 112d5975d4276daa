"""RAVDESS: acted North American English, spoken and sung, 24 actors, 8 emotions.

Reads the files of the official release (Zenodo 1188976) by their names, in whatever folders they lie, Actor_01 to
Actor_24 as unpacked from Video_Speech_Actor_XX.zip, Video_Song_Actor_XX.zip, Audio_Speech_Actors_01-24.zip and
Audio_Song_Actors_01-24.zip. A name is modality-channel-emotion-intensity-statement-repetition-actor.

A performance may lie there three times. Of one performance the full-AV file (01) is taken; where it has none, the
audio-only (03), and where it has neither, the video-only (02). Labels are the official words.
"""

from __future__ import annotations

import re

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings, LeftOut
from vaemo_clips.corpora.tree import best_first, stem

_NAME = re.compile(r"0([1-3])-0([12])-0([1-8])-0([12])-0([12])-0([12])-(0[1-9]|1\d|2[0-4])")
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_MODALITIES = {"1": "audio-visual", "3": "audio", "2": "video"}
"""In the order in which they are preferred."""
_TEXTS = {"1": "Kids are talking by the door.", "2": "Dogs are sitting by the door."}
_ACTORS_PER_FOLD = 4


def _read(findings: Findings) -> None:
    performances: dict[str, dict[str, list[str]]] = {}
    for path in findings.tree.media:
        name = stem(path)
        if _NAME.fullmatch(name):
            performances.setdefault(name[3:], {}).setdefault(name[1], []).append(path)
    for by_modality in performances.values():
        chosen = next(code for code in _MODALITIES if code in by_modality)
        first, *copies = best_first(by_modality.pop(chosen))
        _accept(findings, first)
        for path in copies:
            findings.leave_out(path, LeftOut.ANOTHER_COPY)
        for path in (path for paths in by_modality.values() for path in paths):
            findings.leave_out(path, LeftOut.ANOTHER_MODALITY)
    if len({row["vocal_channel"] for row in findings.rows}) > 1:
        findings.notes.append("speech and song are both listed (column vocal_channel); published scores are on speech")
    if len({row["modality"] for row in findings.rows}) > 1:
        findings.notes.append("performances are not all in the same modality (column modality)")


def _accept(findings: Findings, path: str) -> None:
    name = stem(path)
    match = _NAME.fullmatch(name)
    assert match is not None, path
    modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
    findings.accept(
        name,
        path,
        label=_EMOTIONS[int(emotion) - 1],
        speaker=f"actor_{actor}",
        fold=(int(actor) - 1) // _ACTORS_PER_FOLD + 1,
        intensity={"1": "normal", "2": "strong"}[intensity],
        statement=int(statement),
        repetition=int(repetition),
        vocal_channel={"1": "speech", "2": "song"}[channel],
        modality=_MODALITIES[modality],
        text=_TEXTS[statement],
    )


RAVDESS = Corpus(
    name="ravdess",
    title="RAVDESS",
    citation="Livingstone & Russo (2018), PLoS ONE 13(5): e0196391",
    licence="CC BY-NC-SA 4.0",
    labels=_EMOTIONS,
    folds="six by actor as HiCMAE published them (fold 1 tests actors 1-4, fold 6 actors 21-24)",
    layout="Actor_01/01-01-01-01-01-01-01.mp4 or Actor_01/03-01-01-01-01-01-01.wav",
    columns=pa.schema(
        [
            ("label", pa.string()),
            ("speaker", pa.string()),
            ("fold", pa.int64()),
            ("intensity", pa.string()),
            ("statement", pa.int64()),
            ("repetition", pa.int64()),
            ("vocal_channel", pa.string()),
            ("modality", pa.string()),
            ("text", pa.string()),
        ]
    ),
    reader=_read,
)

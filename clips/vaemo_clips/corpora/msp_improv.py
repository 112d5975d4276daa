"""MSP-IMPROV: English dialogues of two actors, 6 sessions, 12 speakers.

Reads the official release: Evalution.txt (spelt so; Evaluation.txt is read too), whose lines read
`UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000 ; N:4.000000;` before the lines of the raters,
and the turns MSP-IMPROV-S01A-F01-P-FM01.wav or .avi (or UTD-IMPROV-...) by their names, in whatever folders they lie
(session1/S01A/P). Of one turn's files the video is taken. Numbers are as in the file, in 1 to 5.

The fourth part of a name (F01: the woman of session 1) is taken for the speaker, as is usual, though it may stand for
the dialogue's target actor; folds are by session, so that both actors of a session are on one side either way.
`label` is null where the raters did not agree (X); `label4` is null for `other` too, and has the four usual classes.
"""

from __future__ import annotations

import re

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings
from vaemo_clips.corpora.tree import best_first, number, read_lines
from vaemo_clips.errors import ManifestError

_NAME = re.compile(r"(?:MSP|UTD)-IMPROV-(S\d\d[AHNS]-([FM])0([1-6])-([PRST])-[FM]{2}\d+)")
_LINE = re.compile(rf"{_NAME.pattern}\.avi;\s*([A-Z])\s*;\s*A:\s*([\w.]+)\s*;\s*V:\s*([\w.]+)\s*;\s*D:\s*([\w.]+)")
_EXAMPLE = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:3.5; D:3.0"
_FOUR = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
_EMOTIONS = {**_FOUR, "O": "other"}
_NO_AGREEMENT = "X"


def _read(findings: Findings) -> None:
    path = findings.tree.need("Evalution.txt", "Evaluation.txt")
    listed = {}
    for line in (line for line in read_lines(path) if line.startswith(("UTD-IMPROV-", "MSP-IMPROV-"))):
        match = _LINE.match(line)
        if match is None:
            raise ManifestError(f"{path}: {line[:60]!r} does not read as {_EXAMPLE}")
        turn, gender, session, scenario, letter, activation, valence, dominance = match.groups()
        if letter != _NO_AGREEMENT and letter not in _EMOTIONS:
            raise ManifestError(
                f"{path}: turn {turn} is {letter!r}; the official classes are {', '.join(_EMOTIONS)}, X"
            )
        listed[f"MSP-IMPROV-{turn}"] = {
            "label": _EMOTIONS.get(letter),
            "label4": _FOUR.get(letter),
            "speaker": f"{gender}0{session}",
            "fold": int(session),
            "scenario": scenario,
            "label_valence": number(valence),
            "label_arousal": number(activation),
            "label_dominance": number(dominance),
        }
    if not listed:
        raise ManifestError(f"{path}: no line reads as {_EXAMPLE}")
    files: dict[str, list[str]] = {}
    for name, paths in findings.tree.by_stem().items():
        if _NAME.fullmatch(name):
            files.setdefault(f"MSP{name[3:]}", []).extend(paths)
    findings.accept_listed(listed, {name: best_first(paths) for name, paths in files.items()})


MSP_IMPROV = Corpus(
    name="msp-improv",
    title="MSP-IMPROV",
    citation="Busso et al. (2017), IEEE Transactions on Affective Computing 8(1)",
    licence="for research, under a licence of UT Dallas",
    labels=tuple(_EMOTIONS.values()),
    folds="six by session, two speakers each; label4 has the four usual classes",
    layout="Evalution.txt and session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav or .avi",
    columns=pa.schema(
        [
            ("label", pa.string()),
            ("label4", pa.string()),
            ("speaker", pa.string()),
            ("fold", pa.int64()),
            ("scenario", pa.string()),
            ("label_valence", pa.float64()),
            ("label_arousal", pa.float64()),
            ("label_dominance", pa.float64()),
        ]
    ),
    reader=_read,
)

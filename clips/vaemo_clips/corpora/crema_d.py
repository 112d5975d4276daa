"""CREMA-D: acted English, 91 actors, 12 sentences, 6 emotions.

Reads the files of the official release (github CheyneyComputerScience/CREMA-D: VideoFlash/1001_DFA_ANG_XX.flv,
AudioWAV/1001_DFA_ANG_XX.wav, AudioMP3/...) by their names, in whatever folders they lie: actor, sentence, emotion,
intensity. Of one clip's files the video is taken, else the lossless sound. The four recordings that HiCMAE leaves out
as broken are left out.

There is no official split. Folds are five of 18, 18, 18, 18 and 19 actors in the order of their numbers, as HiCMAE
dealt them; where the folder holds lists of another deal, split01/test.csv to split05/test.csv (any line that holds a
clip's name), these say the folds.
"""

from __future__ import annotations

import re

import pyarrow as pa

from vaemo_clips.corpora.fold_lists import SetLists, folds_of
from vaemo_clips.corpora.listing import Corpus, Findings, LeftOut
from vaemo_clips.corpora.tree import OfficialTree, read_lines

_NAME = re.compile(r"(10\d\d)_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")  # one clip ends in _X
_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high"}
_TEXTS = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_BROKEN = frozenset({"1076_MTI_NEU_XX", "1076_MTI_SAD_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD"})
_NUM_FOLDS = 5
_ACTORS_PER_FOLD = 18


def _read(findings: Findings) -> None:
    listed = _listed_folds(findings.tree)
    for name, (path, *copies) in findings.tree.by_stem().items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        for copy in copies:
            findings.leave_out(copy, LeftOut.ANOTHER_COPY)
        if name in _BROKEN:
            findings.leave_out(path, LeftOut.BROKEN)
            continue
        actor, sentence, emotion, intensity = match.groups()
        findings.accept(
            name,
            path,
            label=_EMOTIONS[emotion],
            speaker=actor,
            fold=_dealt_fold(int(actor)) if listed is None else listed.get(name),
            intensity=_INTENSITIES.get(intensity),
            sentence=sentence,
            text=_TEXTS.get(sentence),
        )
    if listed is not None:
        findings.notes.append("the folds are those of the lists split01 to split05 in the folder")


def _dealt_fold(actor: int) -> int:
    return min((actor - 1001) // _ACTORS_PER_FOLD + 1, _NUM_FOLDS)


def _listed_folds(tree: OfficialTree) -> dict[str, int | None] | None:
    if tree.find("split01/test.csv") is None:
        return None
    sets = []
    for number in range(1, _NUM_FOLDS + 1):
        path = tree.need(f"split{number:02d}/test.csv")
        names = (_NAME.search(line) for line in read_lines(path))
        sets.append(SetLists(number, path, {match[0]: match[3] for match in names if match}))
    return {name: listed.fold for name, listed in folds_of(sets).items()}


CREMA_D = Corpus(
    name="crema-d",
    title="CREMA-D",
    citation="Cao et al. (2014), IEEE Transactions on Affective Computing 5(4)",
    licence="Open Database License",
    labels=tuple(_EMOTIONS.values()),
    folds="none are official; five of 18 or 19 actors in the order of their numbers, as HiCMAE dealt them",
    layout="VideoFlash/1001_DFA_ANG_XX.flv or AudioWAV/1001_DFA_ANG_XX.wav",
    columns=pa.schema(
        [
            ("label", pa.string()),
            ("speaker", pa.string()),
            ("fold", pa.int64()),
            ("intensity", pa.string()),
            ("sentence", pa.string()),
            ("text", pa.string()),
        ]
    ),
    reader=_read,
)

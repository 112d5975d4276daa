"""IEMOCAP: English dialogues of two actors, played and improvised, 5 sessions, 10 speakers.

Reads the official release IEMOCAP_full_release: of each Session1 to Session5 the turns in dialog/EmoEvaluation/*.txt,
`[6.2901 - 8.2357] <tab> Ses01F_impro01_F000 <tab> neu <tab> [2.5000, 2.5000, 2.5000]` with valence, activation and
dominance in 1 to 5, and the words in dialog/transcriptions. A turn is the segment of dialog/avi/DivX/*.avi, which
shows both actors side by side and has both their voices; where there is no such video it is the file in sentences/wav.

`label` has all official words, null where the raters did not agree (xxx). `label4` has the four classes that most work
is on, happiness holding excitement too, and null elsewhere (finetune --label-column label4 --skip-unlabelled).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings, LeftOut
from vaemo_clips.corpora.tree import OfficialTree, read_lines
from vaemo_clips.errors import ManifestError

_TURN = re.compile(
    r"\[(\d+\.\d+) - (\d+\.\d+)\]\s+(Ses0[1-5][FM]_\w+_[FM]X?X?\d+)\s+([a-z]{3})\s+"
    r"\[(\d+\.\d+), (\d+\.\d+), (\d+\.\d+)\]"
)
_WORDS = re.compile(r"(Ses0[1-5][FM]_\w+) \[[\d.]+-[\d.]+\]: ?(.*)")
_EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
}
_FOUR = {"ang": "anger", "exc": "happiness", "hap": "happiness", "neu": "neutral", "sad": "sadness"}
_NUM_SESSIONS = 5


def _read(findings: Findings) -> None:
    missing: list[str] = []
    media = frozenset(findings.tree.media)
    sessions = _sessions(findings.tree)
    for number, session in sessions.items():
        ratings = sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt"))
        if not ratings:
            raise ManifestError(
                f"{session}: there is no dialog/EmoEvaluation/Ses*.txt; IEMOCAP looks like {IEMOCAP.layout}"
            )
        for path in ratings:
            missing += _read_dialogue(findings, path, number, media)
    if len(sessions) < _NUM_SESSIONS:
        findings.notes.append(f"only {len(sessions)} of {_NUM_SESSIONS} sessions are there")
    if any(row["path"].endswith(".avi") for row in findings.rows):
        findings.notes.append("a turn's video shows both actors side by side, and has both voices")
    findings.note_missing(missing)
    _leave_out_others(findings)


def _leave_out_others(findings: Findings) -> None:
    known = {row["path"] for row in findings.rows} | findings.left_out.keys()
    for media in findings.tree.media:
        folders = media.split("/")[:-1]
        if media not in known and ("sentences" in folders or "dialog" in folders):
            reason = LeftOut.UNLABELLED if "sentences" in folders else LeftOut.WHOLE_DIALOGUE
            findings.leave_out(media, reason)


def _sessions(tree: OfficialTree) -> dict[int, Path]:
    top = tree.need("Session1", "IEMOCAP_full_release/Session1", *(f"Session{n}" for n in range(2, 6))).parent
    found = {number: top / f"Session{number}" for number in range(1, _NUM_SESSIONS + 1)}
    return {number: path for number, path in found.items() if path.is_dir()}


def _read_dialogue(findings: Findings, ratings: Path, session: int, media: frozenset[str]) -> list[str]:
    """Take a dialogue's turns; return those that have no file."""
    top = ratings.parents[2].relative_to(findings.tree.folder)
    texts = _texts(ratings.parents[1] / "transcriptions" / ratings.name)
    video = (top / "dialog" / "avi" / "DivX" / f"{ratings.stem}.avi").as_posix()
    missing = []
    for line in (line for line in read_lines(ratings) if line.startswith("[")):
        match = _TURN.match(line)
        if match is None:
            raise ManifestError(f"{ratings}: {line[:80]!r} does not read as [START - END] TURN EMOTION [V, A, D]")
        start, end, turn, code, valence, activation, dominance = match.groups()
        sentence = (top / "sentences" / "wav" / ratings.stem / f"{turn}.wav").as_posix()
        if code != "xxx" and code not in _EMOTIONS:
            raise ManifestError(f"{ratings}: turn {turn} is {code!r}; the official classes are {', '.join(_EMOTIONS)}")
        columns: dict[str, Any] = {
            "label": _EMOTIONS.get(code),
            "label4": _FOUR.get(code),
            "speaker": f"Ses{session:02d}{turn.rsplit('_', 1)[1][0]}",
            "fold": session,
            "dialogue": ratings.stem,
            "text": texts.get(turn),
            "label_valence": float(valence),
            "label_arousal": float(activation),
            "label_dominance": float(dominance),
        }
        if video in media:
            findings.accept(turn, video, start_s=float(start), end_s=float(end), **columns)
            if sentence in media:
                findings.leave_out(sentence, LeftOut.ANOTHER_COPY)
        elif sentence in media:
            findings.accept(turn, sentence, **columns)
        else:
            missing.append(turn)
    return missing


def _texts(path: Path) -> dict[str, str]:
    lines = read_lines(path, is_prose=True) if path.exists() else []
    return {match[1]: match[2].strip() for match in (_WORDS.match(line) for line in lines) if match}


IEMOCAP = Corpus(
    name="iemocap",
    title="IEMOCAP",
    citation="Busso et al. (2008), Language Resources and Evaluation 42",
    licence="for research, on request of USC SAIL",
    labels=tuple(_EMOTIONS.values()),
    folds="five by session, two speakers each; label4 has the four usual classes, happiness with excitement",
    layout=(
        "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt, dialog/avi/DivX/Ses01F_impro01.avi, "
        "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    ),
    columns=pa.schema(
        [
            ("label", pa.string()),
            ("label4", pa.string()),
            ("speaker", pa.string()),
            ("fold", pa.int64()),
            ("dialogue", pa.string()),
            ("text", pa.string()),
            ("label_valence", pa.float64()),
            ("label_arousal", pa.float64()),
            ("label_dominance", pa.float64()),
        ]
    ),
    reader=_read,
)

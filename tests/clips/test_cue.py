"""The cue record and what cues are held against."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.cues.norms import MIN_OTHER_CLIPS, SpeakerReference, against_population, moment_norms, population_norms

VALUES = st.lists(st.floats(-100, 100), min_size=MIN_OTHER_CLIPS + 1, max_size=12)


def cue(value: float | None, name: str = "speech_length", **changes: object) -> Cue:
    return Cue(name, value, "s", 1.0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "value=None with state='measured'"),
        ({"state": "not_measurable", "reason": "no_face"}, "value=1.0 with state='not_measurable'"),
        ({"reason": "no_face"}, "reason='no_face' with state='measured'"),
        ({"state": "weak"}, "reason=None with state='weak'"),
        ({"state": "fine"}, "state='fine' is none of"),
        ({"coverage": 1.01}, "coverage=1.01 is not in"),
        ({"value": math.nan}, "value=nan is not finite"),
    ],
)
def test_a_cue_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"name": "f0_median", "value": 1.0, "unit": "Hz", "coverage": 0.5, **changes}
    with pytest.raises(ValueError, match=f"cue f0_median: {message}"):
        Cue(**fields)  # type: ignore[arg-type]


def test_a_missing_cue_stays_missing_when_it_is_weakened() -> None:
    missing = Cue.missing("f0_median", "Hz", "silent")
    assert missing.weakened("too_little_speech") == missing
    assert cue(1.0).weakened("too_little_speech").state == "weak"


def test_two_cues_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="speech_length stands twice"):
        by_name([cue(1.0), cue(2.0)])


def test_every_norm_has_a_spread_and_level_has_none() -> None:
    norms = population_norms()
    assert {"brow_raise", "lip_corner_pull", "f0_median", "spectral_tilt"} <= norms.keys()
    assert all(math.isfinite(norm.mean) and norm.sd > 0 for norm in norms.values())
    assert "loudness_level" not in norms, "a level hangs on the recording's gain"


def test_a_cue_is_held_against_people_where_there_is_a_norm() -> None:
    norm = population_norms()["f0_median"]
    high, unknown, missing = against_population(
        [cue(norm.mean + 2 * norm.sd, "f0_median"), cue(1.0, "no_such_cue"), Cue.missing("f0_range", "st", "silent")],
        somebody_speaks=True,
    )
    assert high.population_sd == pytest.approx(2.0)
    assert unknown.population_sd is None
    assert missing.population_sd is None


@given(VALUES, st.randoms())
def test_a_clip_is_held_against_the_speakers_other_clips_in_any_order(values: list[float], random: Random) -> None:
    clips = {str(number): [cue(value, "unheard_of")] for number, value in enumerate(values)}
    shuffled = list(clips.items())
    random.shuffle(shuffled)
    norm = SpeakerReference(clips).norm("unheard_of", "0")
    assert norm == SpeakerReference(dict(shuffled)).norm("unheard_of", "0")
    others = values[1:]
    if norm is None:
        assert statistics.stdev(others) <= 1e-9 * max(abs(statistics.fmean(others)), 1e-9)
    else:
        assert norm.mean == pytest.approx(statistics.fmean(others), abs=1e-9)
        assert norm.sd == pytest.approx(statistics.stdev(others), rel=1e-6)


def of_one_speaker(name: str, *values: float) -> dict[str, list[Cue]]:
    return {str(number): [cue(value, name)] for number, value in enumerate(values)}


def test_an_expression_held_throughout_a_clip_stands_out_against_the_speakers_others() -> None:
    clips = of_one_speaker("lip_corner_pull", 0.30, 0.31, 0.29, 0.30, 0.45)
    (smile,) = SpeakerReference(clips).judge("4", clips["4"])
    assert smile.speaker_sd is not None
    assert smile.speaker_sd > 2


def test_a_clip_outside_the_reference_is_held_against_all_of_it() -> None:
    reference = SpeakerReference(of_one_speaker("unheard_of", 1.0, 2.0, 3.0))
    norm = reference.norm("unheard_of", "another clip")
    assert norm is not None
    assert norm.mean == 2.0


def test_too_few_other_clips_give_no_reference() -> None:
    clips = of_one_speaker("speech_length", 1.0, 2.0, 3.0)
    assert SpeakerReference(clips).judge("0", clips["0"])[0].speaker_sd is None


def test_a_few_clips_that_hardly_differ_do_not_make_a_small_difference_large() -> None:
    sd = population_norms()["f0_median"].sd
    clips = of_one_speaker("f0_median", 200.0, 200.01, 199.99, 200.0 + sd)
    (higher,) = SpeakerReference(clips).judge("3", clips["3"])
    assert higher.speaker_sd is not None
    assert 1 < higher.speaker_sd < 2, "the population's spread keeps it about one population sd"


def test_how_much_a_silent_face_moves_is_held_against_nobody() -> None:
    moving = cue(population_norms()["face_motion"].mean, "face_motion")
    assert against_population([moving], somebody_speaks=True)[0].population_sd == pytest.approx(0)
    assert against_population([moving], somebody_speaks=False)[0].population_sd is None


def test_a_moment_varies_more_than_a_clip() -> None:
    for name, norm in moment_norms().items():
        assert norm.sd > population_norms()[name].sd

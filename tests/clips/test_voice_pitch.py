"""Pitch against planted contours: no octave errors from a low man's to a child's voice, in noise too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.synthetic_voices import faded, intonation, noise, silence, syllables, voice
from vaemo_clips.cues.cue import by_name
from vaemo_clips.voice.cues import voice_cues
from vaemo_clips.voice.curves import VoiceCurves
from vaemo_clips.voice.measure import measure_voice


def measured(*parts: NDArray[np.float32]) -> VoiceCurves:
    """Curves of parts of sound one after the other."""
    return measure_voice([np.concatenate(parts)])


def value(curves: VoiceCurves, name: str) -> float:
    """A cue's value, which must be there."""
    found = by_name(voice_cues(curves))[name].value
    assert found is not None, name
    return found


@pytest.mark.parametrize("f0_hz", [65, 90, 120, 180, 250, 350, 450, 590])
@pytest.mark.parametrize("vowel", ["a", "i", "u", None])
@pytest.mark.parametrize("tilt_db", [-6, -18])
def test_a_steady_pitch_is_right_in_every_frame(f0_hz: float, vowel: str | None, tilt_db: float) -> None:
    contour = intonation(0.8, [(0, f0_hz)], wobble=0.005)
    curves = measured(silence(0.3), faded(voice(contour, 0.8, tilt_db, vowel)), silence(0.3))
    assert value(curves, "f0_median") == pytest.approx(f0_hz, rel=0.01)
    voiced = curves.f0_hz[~np.isnan(curves.f0_hz)]
    assert voiced == pytest.approx(np.full(len(voiced), f0_hz), rel=0.05)
    assert value(curves, "voiced_share") > 0.9


@settings(max_examples=25, deadline=None)
@given(
    begin_hz=st.floats(70, 500),
    octaves=st.floats(-0.8, 0.8),
    snr_db=st.sampled_from([None, 30.0, 20.0]),
    vowel=st.sampled_from(["a", "i", "u"]),
)
def test_a_gliding_pitch_is_followed(begin_hz: float, octaves: float, snr_db: float | None, vowel: str) -> None:
    end_hz = float(np.clip(begin_hz * 2**octaves, 65, 590))
    contour = intonation(1.0, [(0, begin_hz), (1, end_hz)])
    sound = np.concatenate([silence(0.2), faded(voice(contour, 1.0, vowel=vowel)), silence(0.2)])
    curves = measure_voice([sound if snr_db is None else sound + noise(1.4, -20 - snr_db)])
    inside = (curves.times_s > 0.25) & (curves.times_s < 1.15)
    truth = contour[((curves.times_s[inside] - 0.2) * 16000).astype(int)]
    found = curves.f0_hz[inside]
    assert np.mean(np.isnan(found)) < 0.05
    wrong = np.abs(found / truth - 1)[~np.isnan(found)] > 0.05
    assert wrong.mean() < 0.03
    slope = 12 * np.log2(end_hz / begin_hz)
    assert value(curves, "f0_slope") == pytest.approx(slope, abs=1.0)


def test_range_slopes_and_end_are_those_of_the_contour() -> None:
    contour = intonation(2.0, [(0, 100), (1, 200), (2, 141.42)], wobble=0)
    curves = measured(silence(0.3), faded(voice(contour, 2.0)), silence(0.3))
    assert value(curves, "f0_range") == pytest.approx(0.9 * 12, abs=1.0)
    assert value(curves, "f0_rise") == pytest.approx(12, abs=0.5)
    assert value(curves, "f0_fall") == pytest.approx(6, abs=0.5)
    assert value(curves, "f0_peak") == pytest.approx(195, rel=0.03)
    end = 12 * np.log2(141.42 / value(curves, "f0_median"))
    assert value(curves, "f0_end") == pytest.approx(end, abs=1.0)


def test_noise_between_voices_has_no_pitch() -> None:
    hiss = faded(noise(0.15, -30))
    vowel = faded(voice(intonation(0.5, [(0, 120), (0.5, 110)]), 0.5))
    curves = measured(silence(0.3), vowel, hiss, vowel, silence(0.3))
    between = (curves.times_s > 0.83) & (curves.times_s < 0.92)
    assert curves.is_speech[between].all(), "a fricative is speech"
    assert np.isnan(curves.f0_hz[between]).all()


def test_a_melody_of_held_notes_is_no_speech() -> None:
    notes = [voice(hertz, 0.4, -9, None) for hertz in (220.0, 277.2, 329.6, 440.0, 329.6, 277.2)]
    assert measured(silence(0.2), *notes, silence(0.2)).reason == "no_speech"
    assert measured(silence(0.2), syllables(10, 4), silence(0.2)).reason is None


def test_monotonous_voices_with_pauses_between_are_no_melody() -> None:
    talk = [part for hertz in (100, 150, 220, 300) for part in (faded(voice(hertz, 0.6)), silence(0.4))]
    curves = measured(silence(0.2), *talk)
    assert curves.reason is None
    assert curves.is_speech.sum() == pytest.approx(240, abs=12)

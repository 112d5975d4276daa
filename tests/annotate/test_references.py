"""Which clips stand for a speaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.references import REFERENCE_CLIPS, reference_clips, speaker_of
from vaemo_clips.clip import Clip
from vaemo_clips.cues.norms import MIN_OTHER_CLIPS


def clip(number: int, speaker: object) -> Clip:
    return Clip(
        f"clip_{number}", f"{number}.wav", "0" * 64, None, None, 1.0, None, None, None, None, True, 16000, 1, 1, 1,
        {"speaker": speaker},
    )  # fmt: skip


def ids(found: dict[str, list[Clip]]) -> dict[str, list[str]]:
    return {speaker: [one.clip_id for one in clips] for speaker, clips in found.items()}


@given(st.integers(MIN_OTHER_CLIPS + 1, 60), st.randoms())
def test_the_choice_depends_on_the_manifest_and_not_on_its_order(count: int, random: object) -> None:
    clips = [clip(number, "ann") for number in range(count)]
    shuffled = list(clips)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = reference_clips(clips, frozenset({"ann"}))
    assert ids(chosen) == ids(reference_clips(shuffled, frozenset({"ann"})))
    assert len(chosen["ann"]) == min(count, REFERENCE_CLIPS)


def test_a_speaker_with_too_few_clips_and_one_who_is_not_asked_for_are_left_out() -> None:
    few = [clip(number, "bob") for number in range(MIN_OTHER_CLIPS)]
    many = [clip(100 + number, "eve") for number in range(9)]
    assert reference_clips([*few, *many], frozenset({"bob"})) == {}
    assert list(reference_clips([*few, *many], frozenset({"bob", "eve"}))) == ["eve"]


def test_a_clip_that_is_added_moves_at_most_one_other_out() -> None:
    clips = [clip(number, "ann") for number in range(40)]
    before = set(ids(reference_clips(clips, frozenset({"ann"})))["ann"])
    after = set(ids(reference_clips([*clips, clip(99, "ann")], frozenset({"ann"})))["ann"])
    assert len(before - after) <= 1


def test_speakers_may_be_numbers_or_unknown() -> None:
    assert speaker_of(clip(0, 7)) == "7"
    assert speaker_of(clip(0, None)) is None
    assert speaker_of(clip(0, "")) is None

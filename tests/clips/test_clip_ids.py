"""Clip ids: path-safe, stable, different for different files."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import example, given, settings
from hypothesis import strategies as st

from vaemo_clips.clip import CLIP_ID_PATTERN
from vaemo_clips.clip_ids import clip_id_of

part = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40).filter(lambda s: s not in (".", ".."))
tight = st.text("a_/-. #é", min_size=1, max_size=12).map(lambda s: str(PurePosixPath("x" + s)))
paths = st.one_of(tight, st.lists(part, min_size=1, max_size=4).map(lambda p: str(PurePosixPath(*p)))).map(
    lambda stem: f"{stem}.mp4"
)
seconds = st.one_of(st.none(), st.floats(0, 1e5))


@settings(max_examples=60, deadline=None)
@given(path=paths, start_s=seconds, end_s=seconds)
@example(path="..hidden.mp4", start_s=None, end_s=None)
@example(path="é" * 300 + ".mp4", start_s=None, end_s=1.0)
def test_a_derived_id_is_always_path_safe(path: str, start_s: float | None, end_s: float | None) -> None:
    assert CLIP_ID_PATTERN.fullmatch(clip_id_of(path, start_s, end_s))


@settings(max_examples=60, deadline=None)
@given(st.sets(paths, min_size=2, max_size=20))
@example({"a_/b.mp4", "a/_b.mp4", "a__b.mp4", "a/b.mp4"})
@example({"a b.mp4", "a_b.mp4", "a#b.mp4"})
def test_different_paths_have_different_ids(distinct: set[str]) -> None:
    assert len({clip_id_of(path) for path in distinct}) == len(distinct)


def test_plain_paths_stay_readable() -> None:
    assert clip_id_of("actor_01/03-01.flac") == "actor_01__03-01"
    assert clip_id_of("a.mp4", 0.5, 2.0) == "a.0.500-2.000"
    assert clip_id_of("a.mp4", None, 2.0) == "a.0.000-2.000"
    assert clip_id_of("a.mp4", 1.0, None) == "a.1.000-end"


def test_a_lossy_name_gets_the_digest_of_its_path() -> None:
    assert clip_id_of("my clip #1.mp4").startswith("my_clip__1-")
    assert clip_id_of("a__b.mp4").startswith("a__b-")
    assert clip_id_of("_a.mp4").startswith("c_a-")
    assert len(clip_id_of("x" * 150 + ".mp4")) == 129

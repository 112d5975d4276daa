"""Sound and pictures made worse on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from tests.support.synthetic_shards import write_shards
from tests.support.synthetic_voices import syllables
from vaemo_clips.errors import UserError
from vaemo_train.data.batch import Batch
from vaemo_train.data.corruption import CORRUPTIONS, Corruption
from vaemo_train.data.dataset import EvenWindows
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.data.window import NUM_SAMPLES
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings


def spoken(num_samples: int = NUM_SAMPLES, level_db: float = -26.0) -> Batch:
    """A window of syllables, padding from `num_samples` on."""
    voice = syllables(10, 3.5, level_db=level_db)[:num_samples]
    sound = torch.zeros(1, NUM_SAMPLES, dtype=torch.int16)
    sound[0, :num_samples] = torch.from_numpy(np.round(voice * 32767).astype(np.int16))
    return {"sound": sound, "num_samples": torch.tensor([num_samples])} | places(1)


def shown(num_windows: int = 1, size_px: int = 8, num_padding: int = 0) -> Batch:
    """Windows whose frame number t is all grey t + 1 but for `num_padding` at the end."""
    frames = torch.arange(1, 17, dtype=torch.uint8)[None, :, None, None, None]
    is_padding = torch.arange(16).expand(num_windows, -1) >= 16 - num_padding
    frames = frames.expand(num_windows, 16, size_px, size_px, 3) * ~is_padding[..., None, None, None]
    return {"frames": frames, "is_frame_padding": is_padding} | places(num_windows)


def places(count: int) -> Batch:
    return {"row_number": torch.arange(count), "window_begin_s": torch.full((count,), -0.04, dtype=torch.float64)}


def greys(batch: Batch) -> list[list[int]]:
    found: list[list[int]] = batch["frames"][:, :, 0, 0, 0].tolist()
    return found


@pytest.mark.parametrize("snr_db", [30.0, 20.0, 10.0, 0.0, -5.0])
@pytest.mark.parametrize("num_samples", [NUM_SAMPLES, 9_000])
def test_noise_has_the_level_that_was_asked_for(snr_db: float, num_samples: int) -> None:
    batch = spoken(num_samples)
    noisy = Corruption(audio_snr_db=snr_db)(batch)["sound"][0].double()
    clean = batch["sound"][0].double()
    noise = (noisy - clean)[:num_samples]
    measured_db = 10 * torch.log10(clean[:num_samples].square().mean() / noise.square().mean()).item()
    assert measured_db == pytest.approx(snr_db, abs=0.2)
    assert torch.equal(noisy[num_samples:], clean[num_samples:]), "padding stays padding"
    spectrum = np.abs(np.fft.rfft(noise.numpy())) ** 2
    halves = [half.mean() for half in np.array_split(spectrum, 2)]
    assert halves[0] / halves[1] == pytest.approx(1, abs=0.1), "white"


def test_what_would_be_too_loud_is_clipped() -> None:
    batch = spoken(level_db=-8.0)
    noisy = Corruption(audio_snr_db=-10)(batch)["sound"]
    assert noisy.dtype == torch.int16
    assert noisy.min() == -32768
    assert noisy.max() == 32767
    assert (noisy.double() * batch["sound"].double()).mean() > 0, "nothing wraps around"


def test_silence_stays_silent() -> None:
    silent = {"sound": torch.zeros(1, NUM_SAMPLES, dtype=torch.int16), "num_samples": torch.tensor([NUM_SAMPLES])}
    absent = silent | {"num_samples": torch.tensor([0])}
    for batch in (silent, absent):
        assert not Corruption(audio_snr_db=0)(batch | places(1))["sound"].any()


@pytest.mark.parametrize("sigma_px", [0.5, 1.0, 2.0, 4.0, 30.0])
def test_blur_is_a_gaussian(sigma_px: float) -> None:
    frames = torch.zeros(2, 16, 33, 33, 3, dtype=torch.uint8)
    frames[:, :, 16, 16] = 255
    frames[1] = torch.randint(0, 256, (16, 33, 33, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Corruption(blur_px=sigma_px)(shown(2) | {"frames": frames})["frames"]
    assert found.dtype == torch.uint8
    wanted = gaussian_filter(
        frames.numpy().astype(np.float64), (0, 0, sigma_px, sigma_px, 0), mode="nearest", truncate=4.0
    )
    np.testing.assert_allclose(found.numpy(), wanted, atol=0.5001)


def test_blur_is_as_exact_under_mixed_precision() -> None:
    batch = shown() | {"frames": torch.randint(0, 256, (1, 16, 24, 24, 3), dtype=torch.uint8)}
    with torch.autocast("cpu", torch.bfloat16):
        mixed = Corruption(blur_px=2)(batch)["frames"]
    assert torch.equal(mixed, Corruption(blur_px=2)(batch)["frames"])


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0, 0.99), seed=st.integers(0, 1000), num_padding=st.integers(0, 16))
def test_a_dropped_frame_is_the_last_one_that_arrived(share: float, seed: int, num_padding: int) -> None:
    batch = shown(3, num_padding=num_padding)
    worse = Corruption(dropped_frames=share, seed=seed)(batch)
    for clean, seen in zip(greys(batch), greys(worse), strict=True):
        arrived = 1
        for own, found in zip(clean, seen, strict=True):
            assert found in ((own, arrived) if own else (0,)), "its own, the last that arrived, or no picture at all"
            arrived = found or arrived
    assert torch.equal(worse["is_frame_padding"], batch["is_frame_padding"])


def test_frames_without_a_picture_are_not_what_stands_in_for_one() -> None:
    batch = shown(400)
    batch["is_frame_padding"] = batch["is_frame_padding"].clone()
    batch["is_frame_padding"][:, [0, 1, 5]] = True
    batch["frames"] = batch["frames"] * ~batch["is_frame_padding"][..., None, None, None]
    seen = np.array(greys(Corruption(dropped_frames=0.5)(batch)))
    assert (seen[:, [0, 1, 5]] == 0).all()
    assert (seen[:, 2] == 3).all(), "the first picture arrives"
    assert set(seen[:, 6].tolist()) == {3, 4, 5, 7}, "of frame 5 there is none to repeat"


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_as_many_frames_are_dropped_as_was_asked_for(share: float) -> None:
    batch = shown(2000, size_px=1)
    seen = np.array(greys(Corruption(dropped_frames=share)(batch)))
    dropped = seen[:, 1:] != np.arange(2, 17)
    deviation = np.sqrt(share * (1 - share) / dropped.size)
    assert dropped.mean() == pytest.approx(share, abs=4 * deviation)
    assert dropped.mean(axis=0) == pytest.approx(np.full(15, share), abs=5 * deviation * np.sqrt(15))
    assert Corruption(dropped_frames=0)(batch)["frames"].equal(batch["frames"])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EvenWindows:
    """Clips with both, with sound only and with picture only."""
    path: Path = tmp_path_factory.mktemp("corruption") / "shards"
    settings = ShardSettings(size_px=64)
    write_shards(path, 6, modality=("both", "audio", "video"), seconds=(4.0, 1.0), settings=settings)
    return EvenWindows(ShardFolder.open(path), per_row=2)


def worse_windows(dataset: EvenWindows, batch_size: int, corruption: Corruption) -> dict[tuple[int, float], Batch]:
    found: dict[tuple[int, float], Batch] = {}
    for keys in DistinctWindows(dataset, batch_size):
        batch = corruption(dataset.__getitems__(keys))
        for number, place in enumerate(
            zip(batch["row_number"].tolist(), batch["window_begin_s"].tolist(), strict=True)
        ):
            found[place] = {name: batch[name][number] for name in ("frames", "sound") if name in batch}
    return found


def test_a_window_is_made_worse_alike_in_every_batch(dataset: EvenWindows) -> None:
    corruption = Corruption.parse("snr=5,blur=1,drop=0.5")
    alone, together = (worse_windows(dataset, size, corruption) for size in (1, 64))
    assert alone.keys() == together.keys()
    for place, window in alone.items():
        for name, value in window.items():
            assert torch.equal(value, together[place][name])
    noise = [window["sound"] for window in alone.values() if "sound" in window]
    assert not torch.equal(noise[0], noise[1])


def test_another_seed_is_another_chance_and_the_clean_batch_stays(dataset: EvenWindows) -> None:
    keys = [(0, 0), (0, 1)]
    clean, kept = dataset.__getitems__(keys), dataset.__getitems__(keys)
    first, again, other = (Corruption(10, None, 0.5, seed)(clean) for seed in (0, 0, 1))
    assert all(torch.equal(value, kept[name]) for name, value in clean.items())
    for name in ("frames", "sound"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
    alone = Corruption(audio_snr_db=10)(clean)
    assert torch.equal(alone["sound"], first["sound"]), "dropped frames do not change the noise"
    assert torch.equal(alone["frames"], clean["frames"])


def test_what_a_clip_lacks_is_not_made_worse(dataset: EvenWindows) -> None:
    corruption = Corruption.parse("snr=0,blur=4,drop=0.75")
    kinds = dataset.kinds
    whole = dataset.__getitems__([(0, 2 * row) for row in range(len(kinds))])
    worse = corruption(whole)
    lacks_sound, lacks_picture = torch.from_numpy(kinds == 1), torch.from_numpy(kinds == 2)
    assert not worse["sound"][lacks_sound].any()
    assert not worse["frames"][lacks_picture].any()
    assert worse.keys() == whole.keys()
    only_sound = dataset[(0, 2)]
    assert "frames" not in only_sound
    assert corruption(only_sound).keys() == only_sound.keys()


@pytest.mark.parametrize(
    "text", ["snr=10", "snr=-2.5", "blur=2", "drop=0.5", "snr=10,blur=2,drop=0.5", "drop=0.25,seed=3"]
)
def test_a_corruption_reads_as_it_is_written(text: str) -> None:
    assert str(Corruption.parse(text)) == text
    assert Corruption.parse(f" {text.replace(',', ' , ').replace('=', ' = ')} ") == Corruption.parse(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"^noise '': '' is none of snr=DB, blur=PIXELS, drop=SHARE, seed=N$"),
        ("snr=10;blur=2", r"^noise 'snr=10;blur=2': snr=10;blur=2 is no number$"),
        ("loud=3", r"^noise 'loud=3': 'loud=3' is none of snr=DB, blur=PIXELS, drop=SHARE, seed=N$"),
        ("snr=10,", r"^noise 'snr=10,': '' is none of snr=DB, blur=PIXELS, drop=SHARE, seed=N$"),
        ("snr=10,snr=3", r"^noise 'snr=10,snr=3': snr is there twice; name it once$"),
        ("snr=nan", r"^noise 'snr=nan': snr=nan is no number$"),
        ("blur=", r"^noise 'blur=': blur= is no number$"),
        ("drop=0.5,seed=1.5", r"^noise 'drop=0.5,seed=1.5': seed=1.5 is no whole number$"),
        ("snr=500", r"^noise snr=500: it must lie in \[-60, 100\] dB$"),
        ("blur=0", r"^noise blur=0: it must be above 0 and at most 100 pixels$"),
        ("drop=1", r"^noise drop=1: it must lie in \[0, 1\), a share of the pictures$"),
        ("drop=0.5,seed=-1", r"^noise seed=-1: it must lie in \[0, 2\^63\)$"),
        ("seed=3", r"^noise: nothing to make worse; name some of snr, blur and drop, as snr=10,blur=2,drop=0.5$"),
    ],
)
def test_nonsense_is_told_in_one_line(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        Corruption.parse(text)


def test_the_suite_says_what_it_touches() -> None:
    assert [str(one) for one in CORRUPTIONS] == [
        "snr=20", "snr=10", "snr=0", "blur=1", "blur=2", "blur=4", "drop=0.25", "drop=0.5", "drop=0.75",
    ]  # fmt: skip
    assert [one.modalities for one in CORRUPTIONS] == [("audio",)] * 3 + [("video",)] * 6
    assert Corruption.parse("snr=1,drop=0.1").modalities == ("video", "audio")

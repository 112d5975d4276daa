"""The voice's part of the figure: waveform with speech and pauses, loudness, and log-mel spectrogram with pitch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaemo_annotate.figure.curve import draw_curve, thinned
from vaemo_annotate.figure.log_mel import LOW_HZ, SoundPicture, mel
from vaemo_annotate.figure.panel import Panel, label_right
from vaemo_annotate.figure.style import INK, ORANGE, PLOT_WIDTH_IN, QUIET, SKY, SMALL_PT, VERMILION
from vaemo_clips.voice.curves import HOP_S
from vaemo_clips.voice.runs import runs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from vaemo_clips.voice.curves import VoiceCurves

_GREYS = "gray_r"
_LONG_S = 30.0  # syllables of a longer clip lie so close that lines would run together
_DYNAMIC_RANGE_DB = 70.0
_SILENT_DB = -50.0  # noise below this is drawn as what it is, faint
_MEL_TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000)
_F0_TICKS_HZ = (50, 75, 100, 150, 200, 300, 400, 600)
_WAVEFORM = "waveform (FS = 1)"
_NO_VOICE = {"silent": "silent", "no_speech": "no speech found", "not_finite": "broken samples"}


@dataclass(frozen=True, slots=True)
class VoicePanels:
    """What the voice's panels are drawn from; times count from the clip's begin."""

    duration_s: float
    curves: VoiceCurves
    sound: SoundPicture

    def panels(self) -> list[Panel]:
        """Return the panels from top to bottom."""
        return [
            Panel(0.55, self._waveform, begins_part=True, gap_in=0.12),
            Panel(0.46, self._loudness),
            Panel(1.2, self._log_mel, begins_part=True, gap_in=0.1),
        ]

    def _waveform(self, axes: Axes) -> None:
        sound = self.sound
        times_s = (np.arange(len(sound.low)) + 0.5) * sound.duration_s / len(sound.low)
        self._shade_speech(axes)
        axes.fill_between(times_s, sound.low, sound.high, color=INK, linewidth=0.3, zorder=3)
        reach = 1.08 * max(float(np.abs([sound.low, sound.high]).max()), 1e-3)
        axes.set_ylim(-reach, reach)
        if self.curves.pauses_s:
            spans = [(begin_s, end_s - begin_s) for begin_s, end_s in self.curves.pauses_s]
            axes.broken_barh(spans, (-reach, 0.12 * reach), color=ORANGE, linewidth=0, zorder=4)
        tick = _round_down(reach)
        axes.set_yticks([-tick, 0, tick], [f"−{tick:g}", "0", f"+{tick:g}"])
        axes.set_ylabel("amplitude")
        label_right(axes, self._legend())

    def _shade_speech(self, axes: Axes) -> None:
        spans = [(begin * HOP_S, (end - begin) * HOP_S) for begin, end in runs_of(self.curves.is_speech)]
        if spans:
            low_high = axes.get_xaxis_transform()
            axes.broken_barh(spans, (0, 1), color=SKY, alpha=0.28, linewidth=0, zorder=0, transform=low_high)

    def _legend(self) -> list[tuple[str, str]]:
        if self.curves.reason is not None:
            return [(_WAVEFORM, INK), (_NO_VOICE.get(self.curves.reason, "no voice"), QUIET)]
        pause = [("▬ pause", ORANGE)] if self.curves.pauses_s else []
        return [(_WAVEFORM, INK), ("■ speech", SKY), *pause]

    def _loudness(self, axes: Axes) -> None:
        levels_db = self.curves.loudness_db
        self._shade_speech(axes)
        draw_curve(axes, self.curves.times_s, levels_db, self.duration_s, INK, zorder=4)
        top = float(levels_db.max(initial=-100.0))
        low = max(float(np.percentile(levels_db, 2)) if len(levels_db) else -100.0, top - 60)
        axes.set_ylim(min(low, top - 20) - 2, top + 4)
        axes.set_ylabel("dBFS")
        label_right(axes, [("loudness", INK)])

    def _log_mel(self, axes: Axes) -> None:
        sound, top_mel = self.sound, float(mel(self.sound.top_hz))
        loudest = max(float(sound.log_mel_db.max()), _SILENT_DB)
        extent = (0.0, sound.mel_duration_s, float(mel(LOW_HZ)), top_mel)
        image = axes.imshow(
            sound.log_mel_db, extent=extent, origin="lower", aspect="auto", cmap=_GREYS, interpolation="antialiased",
            vmin=loudest - _DYNAMIC_RANGE_DB, vmax=loudest, zorder=1,
        )  # fmt: skip
        axes.set_xlim(0, self.duration_s)
        ticks = [hz for hz in _MEL_TICKS_HZ if hz <= sound.top_hz]
        axes.set_yticks([float(mel(hz)) for hz in ticks], [f"{hz / 1000:g}" for hz in ticks])
        axes.set_ylabel("frequency (kHz, mel)")
        _grey_scale(axes, image)
        if np.isfinite(self.curves.f0_hz).any():
            self._pitch(axes)

    def _pitch(self, axes: Axes) -> None:
        """F0 on its own axis on the right, as phoneticians draw it: on the mel axis it would be a flat line."""
        import matplotlib.patheffects as effects
        from matplotlib.ticker import NullLocator

        pitch = axes.twinx()
        pitch.set_yscale("log")
        f0_hz = self.curves.f0_hz.astype(np.float64)
        if self.duration_s > _LONG_S:
            at_s, shown = thinned(self.curves.times_s, f0_hz, self.duration_s)
            pitch.plot(at_s, shown, ".", color=VERMILION, markersize=1.0, zorder=5)
        else:
            casing = [effects.Stroke(linewidth=2.6, foreground="white"), effects.Normal()]
            style: dict[str, Any] = {"linewidth": 1.2, "path_effects": casing, "zorder": 5}
            draw_curve(pitch, self.curves.times_s, f0_hz, self.duration_s, VERMILION, **style)
        low, high = np.nanpercentile(f0_hz, (1, 99))
        low, high = min(low * 0.7, 90.0), max(high * 1.4, 350.0)
        pitch.set_ylim(low, high)
        ticks = [hz for hz in _F0_TICKS_HZ if low <= hz <= high]
        pitch.set_yticks(ticks, [str(hz) for hz in ticks])
        pitch.yaxis.set_minor_locator(NullLocator())
        pitch.spines["right"].set(visible=True, color=VERMILION)
        pitch.tick_params(axis="y", color=VERMILION, labelcolor=VERMILION)
        pitch.set_ylabel("F0 (Hz, log)", color=VERMILION, labelpad=2)
        pitch.set_xlim(0, self.duration_s)


def _grey_scale(axes: Axes, image: AxesImage) -> None:
    """A bar beside the spectrogram that tells levels from greys."""
    low, high = image.get_clim()
    bar = axes.inset_axes((1 + 0.68 / PLOT_WIDTH_IN, 0.08, 0.07 / PLOT_WIDTH_IN, 0.72))
    bar.imshow(
        np.linspace(low, high, 64)[:, None], extent=(0, 1, low, high), origin="lower", aspect="auto", cmap=_GREYS
    )
    bar.set_xticks([])
    bar.spines[:].set(visible=True, linewidth=0.4)
    bar.yaxis.tick_right()
    bar.set_yticks([low, high], [f"{level:.0f}".replace("-", "−") for level in (low, high)])
    bar.tick_params(axis="y", length=0, pad=2)
    bar.set_title("dBFS", fontsize=SMALL_PT, pad=3)


def _round_down(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value))

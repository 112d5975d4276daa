"""Faces over time: detected now and then, followed by their mesh in between.

A mesh says where to look in the next picture, and how sure it is that it sees a face, so a detector is
needed only for new faces, after a loss and after a cut. There is no identity model: a face that comes back
counts as the same one where it overlaps the old place and size and its thumbnail correlates with the old
one, so two people who are framed and lit alike in two shots can become one track, and one person who is
framed otherwise after a cut becomes two.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.faces.detector import Detection, iou
from vaemo_clips.faces.followed import FollowedFace
from vaemo_clips.faces.mesh import Mesh
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.shots import CutFinder
from vaemo_clips.faces.track import FaceTrack, FaceTracks

_MIN_PRESENCE = 0.5  # below it a followed face is lost
_MIN_PRESENCE_OF_NEW = 0.7
_SAME_FACE_IOU = 0.3
_DUPLICATE_IOU = 0.5
_ONE_CHANGE_S = 0.25  # a flash or a fast wipe changes several pictures and is one cut
_GAP_OVERLAP = 0.2  # of place and size, to be the same face after a short gap
_GAP_STEP = 1.5  # of its size, that a face can have moved in a short gap where it looks the same
_RETURN_OVERLAP = 0.4  # after a longer gap or a cut, where it must look the same too
_LIKENESS_IN_SHOT = 0.75
# Ten people in one studio, framed alike (GRID), correlate with up to 0.90; one person in a shot with 0.96 and more.
_LIKENESS_AFTER_CUT = 0.92
_MEMORY = 64  # faces out of sight that can come back


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the detectors look, in seconds, and how long a lost face is waited for."""

    fresh_s: float = 0.2  # at the begin of a shot that shows a face, both look at every picture for more
    near_s: float = 0.25
    far_s: float = 1.0
    searching_s: float = 0.1  # while a face is lost, or none is followed
    searching_far_s: float = 0.3
    gap_s: float = 1.0
    unconfirmed_s: float = 3.0


def track_faces(
    frames: Iterable[tuple[float, NDArray[np.uint8]]], models: FaceModels, *, max_faces: int = 4
) -> FaceTracks:
    """Follow up to `max_faces` faces at a time through `frames`: times (s) that grow, RGB (H, W, 3) of one size.

    Pictures are looked at one by one and not kept. Coordinates are in pixels of the pictures given.
    """
    tracker, shots = _Tracker(models, max_faces), CutFinder()
    times_s, brightness, cuts_s = array("d"), array("f"), []
    width, height, changed_s = 0, 0, -np.inf
    for time_s, image in frames:
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        if shots.is_cut(picture):
            tracker.begin_shot(time_s)
            if time_s - changed_s > _ONE_CHANGE_S:
                cuts_s.append(time_s)
            changed_s = time_s
        tracker.step(len(times_s), time_s, picture)
        times_s.append(time_s)
        brightness.append(shots.brightness)
    light = np.array(brightness, dtype=np.float32)
    return FaceTracks(np.array(times_s, dtype=np.float64), width, height, tuple(cuts_s), tracker.tracks(), light)


@dataclass(slots=True)
class _Tracker:
    """The faces in view, those out of sight that can come back, and the rest."""

    models: FaceModels
    max_faces: int
    pace: Pace = field(default_factory=Pace)
    live: list[FollowedFace] = field(default_factory=list)
    away: list[FollowedFace] = field(default_factory=list)
    done: list[FaceTrack] = field(default_factory=list)
    _near_s: float = -np.inf
    _far_s: float = -np.inf
    _shot_s: float = -np.inf

    def step(self, index: int, time_s: float, picture: Image.Image) -> None:
        """Look at the next picture."""
        meshes = self._follow(index, time_s, picture)
        self._drop_duplicates()
        found = self._detect(time_s, picture)
        if found is not None:
            self._confirm(found, meshes, time_s)
            self._admit(found, index, time_s, picture)
            self._lose_unconfirmed(time_s)

    def tracks(self) -> tuple[FaceTrack, ...]:
        """All faces, in the order in which they came."""
        rest = [face.rows.track() for face in (*self.away, *self.live) if len(face.rows)]
        return tuple(sorted((*self.done, *rest), key=lambda track: int(track.frame_index[0])))

    def begin_shot(self, time_s: float) -> None:
        """Take all faces out of sight: the next picture belongs to another shot."""
        for face in list(self.live):
            self._lose(face)
        for face in self.away:
            face.begin_shot()
        self._near_s = self._far_s = -np.inf
        self._shot_s = time_s

    def _follow(self, index: int, time_s: float, picture: Image.Image) -> dict[int, Mesh]:
        meshes = {}
        for face in list(self.live):
            mesh = self.models.mesher.measure(picture, face.region)
            if mesh is None or mesh.presence < _MIN_PRESENCE or not face.can_become(mesh, time_s):
                self._lose(face)
                self._near_s = -np.inf  # look for it at once
                continue
            face.add(index, time_s, mesh)
            meshes[id(face)] = mesh
        return meshes

    def _drop_duplicates(self) -> None:
        """Of two meshes on one face, the one followed for longer keeps it."""
        by_age = sorted(self.live, key=lambda face: -len(face.rows))
        for place, face in enumerate(by_age):
            if any(face.overlap(older.box_px) > _DUPLICATE_IOU for older in by_age[:place] if older in self.live):
                face.rows.drop_last()
                self._lose(face)

    def _lose(self, face: FollowedFace) -> None:
        self.live.remove(face)
        if len(face.rows):
            self.away.append(face)
        if len(self.away) > _MEMORY:
            self.done.append(self.away.pop(0).rows.track())

    def _detect(self, time_s: float, picture: Image.Image) -> list[Detection] | None:
        """Faces that the detectors see, or None where no look is due."""
        pace = self.pace
        self._shot_s = time_s if self._shot_s == -np.inf else self._shot_s
        is_fresh = bool(self.live) and time_s - self._shot_s < pace.fresh_s
        is_searching = not self.live or any(self._is_awaited(face, time_s) for face in self.away)
        if not is_fresh and time_s - self._near_s < (pace.searching_s if is_searching else pace.near_s) - 1e-3:
            return None
        self._near_s = time_s
        found = self.models.near.find(picture)
        if is_fresh or time_s - self._far_s >= (pace.searching_far_s if is_searching else pace.far_s) - 1e-3:
            self._far_s = time_s
            found += self.models.far.find(picture)
        return found

    def _is_awaited(self, face: FollowedFace, time_s: float) -> bool:
        return face.seen_s >= self._shot_s and time_s - face.seen_s <= self.pace.gap_s

    def _confirm(self, found: list[Detection], meshes: dict[int, Mesh], time_s: float) -> None:
        for face in self.live:
            if any(face.overlap(one.box_px) >= _SAME_FACE_IOU for one in found):
                face.confirm(time_s, meshes.get(id(face)))

    def _lose_unconfirmed(self, time_s: float) -> None:
        for face in list(self.live):
            if time_s - face.confirmed_s > self.pace.unconfirmed_s:
                self._lose(face)

    def _admit(self, found: list[Detection], index: int, time_s: float, picture: Image.Image) -> None:
        """Measure what no followed face explains; take it as a face that comes back, or as a new one."""
        for one in sorted(found, key=lambda detection: -detection.region.side):
            if self._is_explained(one.box_px):
                continue
            mesh = self._measure_new(picture, one)
            if mesh is None or self._is_explained(mesh.box_px) or not self._make_room(mesh):
                continue
            face = self._returning(mesh, time_s) or FollowedFace(self.models.eyes)
            if face in self.away:
                self.away.remove(face)
            face.add(index, time_s, mesh)
            face.confirm(time_s, mesh)
            self.live.append(face)

    def _is_explained(self, box_px: NDArray[np.float32]) -> bool:
        boxes = np.array([face.box_px for face in self.live], dtype=np.float32).reshape(-1, 4)
        return bool((iou(box_px, boxes) >= _SAME_FACE_IOU).any())

    def _measure_new(self, picture: Image.Image, one: Detection) -> Mesh | None:
        """Twice, because a detector's square is only about where the mesh wants it."""
        first = self.models.mesher.measure(picture, one.region)
        if first is None or first.presence < _MIN_PRESENCE:
            return None
        second = self.models.mesher.measure(picture, first.region)
        return second if second is not None and second.presence >= _MIN_PRESENCE_OF_NEW else None

    def _make_room(self, mesh: Mesh) -> bool:
        if len(self.live) < self.max_faces:
            return True
        smallest = min(self.live, key=lambda face: face.size_px)
        if 2 * smallest.size_px > mesh.box_px[3] - mesh.box_px[1]:
            return False
        self._lose(smallest)
        return True

    def _returning(self, mesh: Mesh, time_s: float) -> FollowedFace | None:
        """The face out of sight that `mesh` continues."""
        return next((face for face in reversed(self.away) if self._continues(mesh, face, time_s)), None)

    def _continues(self, mesh: Mesh, face: FollowedFace, time_s: float) -> bool:
        """By place and size alone after a short gap, else by the look too."""
        overlap = face.overlap(mesh.box_px)
        is_awaited = self._is_awaited(face, time_s)
        if is_awaited and overlap >= _GAP_OVERLAP:
            return True
        if overlap < _RETURN_OVERLAP and not (is_awaited and face.is_near(mesh, _GAP_STEP)):
            return False
        return face.likeness(mesh) >= (_LIKENESS_IN_SHOT if face.seen_s >= self._shot_s else _LIKENESS_AFTER_CUT)

"""The red of the lips: seen, and missed where it is covered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.support.faces import face_models, scene
from vaemo_clips.faces.lips import lip_redness
from vaemo_clips.faces.mesh import Mesh
from vaemo_clips.faces.region import Region

LIPS = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91]


def portrait_mesh() -> Mesh:
    """The mesh of the test portrait, found twice as a tracker does."""
    picture = Image.fromarray(scene((140, 40, 1.2)))
    models = face_models()
    (found, *_) = models.near.find(picture)
    first = models.mesher.measure(picture, found.region)
    assert first is not None
    mesh = models.mesher.measure(picture, first.region)
    assert mesh is not None
    return mesh


def painted(mesh: Mesh, colour: tuple[int, int, int]) -> Mesh:
    patch = Image.fromarray(mesh.patch)
    outline = [(float(x), float(y)) for x, y in mesh.in_patch(LIPS)]
    ImageDraw.Draw(patch).polygon(outline, fill=colour)
    return replace(mesh, patch=np.asarray(patch))


def test_lips_are_redder_than_skin_and_less_so_when_they_are_rolled_in() -> None:
    mesh = portrait_mesh()
    x, y = mesh.in_patch([200])[0].astype(int)
    r, g, b = (int(value) for value in mesh.patch[y, x])
    assert lip_redness(painted(mesh, (190, 60, 70))) > lip_redness(mesh) + 0.05
    assert lip_redness(painted(mesh, (r, g, b))) < lip_redness(mesh) - 0.02
    assert lip_redness(painted(mesh, (r, g, b))) == pytest.approx(0, abs=0.03)


def test_light_that_is_halved_changes_the_redness_little() -> None:
    mesh = portrait_mesh()
    dim = replace(mesh, patch=(mesh.patch // 2).astype(np.uint8))
    assert lip_redness(dim) == pytest.approx(lip_redness(mesh), abs=0.01)


def test_points_outside_the_patch_do_no_harm() -> None:
    mesh = portrait_mesh()
    far = replace(mesh, patch_region=Region(-500.0, -500.0, 50.0, 0.3))
    assert np.isfinite(lip_redness(far))

"""Domains: what is drawn, what it does, what bad files get."""

import json
from pathlib import Path

import mujoco
import numpy as np
import pytest
from lossless_sim.cell import CellCache
from lossless_sim.domains import apply, load_domain, spoil
from lossless_sim.domains.lag import Lag, UnevenLag
from lossless_sim.domains.parameters import PARAMETERS
from lossless_sim.errors import SimError
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.scene.physics import physics

CHANGED = ("geom_rgba", "cam_pos", "cam_quat", "cam_fovy", "light_pos", "body_mass", "geom_friction", "tex_data")


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return CellCache(physics("fast")).get(TRIPLETS["triplet1"]).model


@pytest.mark.parametrize("name", ["nominal", "randomized", "lab"])
def test_a_draw_is_json_and_within_its_ranges(name: str) -> None:
    domain = load_domain(name)
    draw = domain.draw(np.random.default_rng(0))
    assert json.loads(json.dumps(draw)) == draw
    for section, entries in domain.ranges.items():
        for key, limits in entries.items():
            drawn = draw[section][key]
            assert len(drawn) == PARAMETERS[section][key].size
            assert all(limits.low <= value <= limits.high for value in drawn)


def test_nominal_changes_nothing(model: mujoco.MjModel) -> None:
    changed = apply(model, load_domain("nominal").draw(np.random.default_rng(0)))
    assert all(np.array_equal(getattr(model, field), getattr(changed, field)) for field in CHANGED)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert spoil(image, 0, {}, np.random.default_rng(0)) is image


def test_randomizing_is_pure(model: mujoco.MjModel) -> None:
    before = {field: getattr(model, field).copy() for field in CHANGED}
    draw = load_domain("randomized").draw(np.random.default_rng(1))
    once, twice = apply(model, draw), apply(model, draw)
    for field in CHANGED:
        assert np.array_equal(before[field], getattr(model, field)), field
        assert np.array_equal(getattr(once, field), getattr(twice, field)), field
        assert not np.array_equal(before[field], getattr(once, field)), field


def test_objects_keep_their_colour_class(model: mujoco.MjModel) -> None:
    domain = load_domain("randomized")
    for seed in range(30):
        changed = apply(model, domain.draw(np.random.default_rng(seed)))
        for channel, colour in enumerate(("red", "green", "blue")):
            rgb = changed.geom(f"rgb_object_{colour}_visual").rgba[:3]
            assert rgb.argmax() == channel and rgb[channel] > 1.5 * np.delete(rgb, channel).max()


def test_lab_is_inside_randomized_but_not_in_its_middle() -> None:
    lab, randomized = load_domain("lab").ranges, load_domain("randomized").ranges
    for section in ("appearance", "lights", "cameras", "image", "dynamics", "robot", "time"):
        for key, narrow in lab[section].items():
            wide = randomized[section][key]
            assert wide.low <= narrow.low <= narrow.high <= wide.high, (section, key)
            assert narrow.high - narrow.low <= 0.35 * (wide.high - wide.low), (section, key)


@pytest.mark.parametrize("spoilt", ["exposure", "noise", "blur", "jpeg_loss", "gamma", "white_balance"])
def test_every_image_effect_changes_the_image(spoilt: str) -> None:
    high = {"exposure": 0.4, "noise": 5.0, "blur": 0.7, "jpeg_loss": 30.0, "gamma": 1.2, "white_balance": 0.9}
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    draw = {"image": {spoilt: [high[spoilt]] * PARAMETERS["image"][spoilt].size}}
    result = spoil(image, 0, draw, np.random.default_rng(0))
    assert result.shape == image.shape and result.dtype == np.uint8
    assert 0 < np.abs(result.astype(int) - image).mean() < 80


def test_distortion_leaves_the_middle_in_place() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[32, 32] = image[4, 4] = 255
    bent = spoil(image, 1, {"cameras": {"distortion": [0.0, -0.06, 0.0]}}, np.random.default_rng(0))
    assert bent[32, 32].min() > 200 and bent[4, 4].max() < 200


def test_a_lag_gives_back_what_went_in_before() -> None:
    lag: Lag[int] = Lag(2)
    assert [lag(i) for i in range(5)] == [0, 0, 0, 1, 2]


def test_an_uneven_lag_has_the_mean_delay_and_never_goes_back() -> None:
    whole: UnevenLag[int] = UnevenLag(0.05 / 0.05, np.random.default_rng(0))
    assert [whole(i) for i in range(5)] == [0, 0, 1, 2, 3]
    uneven: UnevenLag[int] = UnevenLag(1.3, np.random.default_rng(0))
    shown = np.array([uneven(i) for i in range(4000)])
    late = np.arange(4000) - shown
    assert (np.diff(shown) >= 0).all() and set(late[2:]) == {1, 2}
    assert late.mean() == pytest.approx(1.3, abs=0.05)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sound: {}", "unknown section 'sound'; known: appearance"),
        ("image: {glow: {}}", "unknown parameter 'glow'; known: exposure"),
        ("image: {noise: {range: [0, 1], unit: levels}}", "exactly the keys range, unit, reason"),
        ("image: {noise: {range: [0, 1], unit: dB, reason: x}}", "the unit is levels, got dB"),
        ("image: {noise: {range: [2, 1], unit: levels, reason: x}}", "expected a range"),
        ("image: {noise: {range: [0, 1], unit: levels, reason: }}", "say the reason"),
        ("- 1", "expected sections"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SimError) as error:
        load_domain(str(path))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_the_texture_lies_evenly_on_the_basket(model: mujoco.MjModel) -> None:
    """A patch of texture covers as much plate, up to a slope of 55 degrees to its coordinate plane."""
    geom = model.geom("merged_0")
    assert model.body(geom.bodyid[0]).name == "base/rgb_basket"
    mesh = int(geom.dataid[0])
    faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
    corners = model.mesh_vert[model.mesh_vertadr[mesh] :][model.mesh_face[faces]]
    texture = model.mesh_texcoord[model.mesh_texcoordadr[mesh] :][model.mesh_facetexcoord[faces]]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    sides = np.diff(texture, axis=1)
    covered = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) * 0.25**2
    large = areas > 1e-4
    assert large.any()
    assert (covered[large] > 0.57 * areas[large]).all() and (covered[large] < 1.01 * areas[large]).all()


def test_wear_is_bounded_and_drawn(model: mujoco.MjModel) -> None:
    domain = load_domain("randomized")
    textures = []
    for seed in (1, 2):
        changed = apply(model, domain.draw(np.random.default_rng(seed)))
        texture = changed.texture("basket")
        start = int(texture.adr[0])
        textures.append(changed.tex_data[start : start + int(texture.width[0]) * int(texture.height[0]) * 3])
    assert all(pixels.min() >= 255 * 0.75 - 1 and pixels.std() > 0 for pixels in textures)
    assert not np.array_equal(*textures)

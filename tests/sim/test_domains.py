"""Domains: sampling, their effect on the model, and errors in domain files."""

import json
from pathlib import Path

import mujoco
import numpy as np
import pytest
from lossless_sim.cell import Cell
from lossless_sim.domains import DomainSample, apply, load_domain
from lossless_sim.domains.parameters import PARAMETERS
from lossless_sim.errors import SimError

RANDOMIZED = ("geom_rgba", "cam_pos", "cam_quat", "cam_fovy", "light_pos", "body_mass", "geom_friction", "tex_data")


@pytest.fixture(scope="module")
def model(cell: Cell) -> mujoco.MjModel:
    return cell.model


@pytest.mark.parametrize("name", ["nominal", "randomized", "lab"])
def test_sample_is_json_and_within_the_ranges(name: str) -> None:
    domain = load_domain(name)
    drawn = domain.sample(np.random.default_rng(0)).drawn
    assert json.loads(json.dumps(drawn)) == drawn
    for section, entries in domain.ranges.items():
        for key, limits in entries.items():
            values = drawn[section][key]
            assert len(values) == PARAMETERS[section][key].size
            assert all(limits.low <= value <= limits.high for value in values)


def test_sample_is_nominal_where_the_domain_randomizes_nothing() -> None:
    sample = DomainSample.of({"image": {"noise": [3.0]}})
    for section, entries in PARAMETERS.items():
        for key, spec in entries.items():
            expected = np.full(spec.size, 3.0 if key == "noise" else spec.nominal)
            assert np.array_equal(getattr(getattr(sample, section), key), expected), key


def test_nominal_domain_changes_no_model(model: mujoco.MjModel) -> None:
    changed = apply(model, load_domain("nominal").sample(np.random.default_rng(0)))
    for field in RANDOMIZED:
        assert np.array_equal(getattr(model, field), getattr(changed, field)), field


def test_apply_is_pure(model: mujoco.MjModel) -> None:
    before = {field: getattr(model, field).copy() for field in RANDOMIZED}
    sample = load_domain("randomized").sample(np.random.default_rng(1))
    once, twice = apply(model, sample), apply(model, sample)
    for field in RANDOMIZED:
        assert np.array_equal(before[field], getattr(model, field)), field
        assert np.array_equal(getattr(once, field), getattr(twice, field)), field
        assert not np.array_equal(before[field], getattr(once, field)), field


def test_randomized_objects_remain_red_green_and_blue(model: mujoco.MjModel) -> None:
    domain = load_domain("randomized")
    for seed in range(30):
        changed = apply(model, domain.sample(np.random.default_rng(seed)))
        for channel, color in enumerate(("red", "green", "blue")):
            rgb = changed.geom(f"rgb_object_{color}_visual").rgba[:3]
            assert rgb.argmax() == channel
            assert rgb[channel] > 1.5 * np.delete(rgb, channel).max()


def test_lab_lies_inside_randomized_with_narrow_ranges() -> None:
    lab, randomized = load_domain("lab").ranges, load_domain("randomized").ranges
    for section in ("appearance", "lights", "cameras", "image", "dynamics", "robot", "time"):
        for key, narrow in lab[section].items():
            wide = randomized[section][key]
            assert wide.low <= narrow.low <= narrow.high <= wide.high, (section, key)
            assert narrow.high - narrow.low <= 0.35 * (wide.high - wide.low), (section, key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sound: {}", "unknown section 'sound'; known: appearance"),
        ("image: {glow: {}}", "unknown parameter 'glow'; known: exposure"),
        ("image: {noise: {range: [0, 1], unit: levels}}", "exactly the keys range, unit, reason"),
        ("image: {noise: {range: [0, 1], unit: dB, reason: x}}", "expected unit levels, got dB"),
        ("image: {noise: {range: [2, 1], unit: levels, reason: x}}", "expected a range"),
        ("image: {noise: {range: [0, 1], unit: levels, reason: }}", "the reason must not be empty"),
        ("- 1", "expected sections"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_invalid_domain_file_is_a_one_line_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SimError) as error:
        load_domain(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_texture_is_mapped_evenly_onto_the_basket(model: mujoco.MjModel) -> None:
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
    assert (covered[large] > 0.57 * areas[large]).all()
    assert (covered[large] < 1.01 * areas[large]).all()


def test_dust_and_scratches_are_bounded_and_differ_by_seed(model: mujoco.MjModel) -> None:
    domain = load_domain("randomized")
    textures = []
    for seed in (1, 2):
        changed = apply(model, domain.sample(np.random.default_rng(seed)))
        texture = changed.texture("basket")
        start = int(texture.adr[0])
        textures.append(changed.tex_data[start : start + int(texture.width[0]) * int(texture.height[0]) * 3])
    for pixels in textures:
        assert pixels.min() >= 255 * 0.75 - 1
        assert pixels.std() > 0
    assert not np.array_equal(textures[0], textures[1])

"""Episodes rendered again: their own looks give their own images, other looks only change what is looked at."""

import numpy as np
import pytest
from lossless_sim.domains import load_domain
from lossless_sim.domains.sample import LOOKS
from lossless_sim.errors import SimError
from lossless_sim.looks import LooksRenderer, RecordedEpisode
from lossless_sim.tasks import make_env

CAMERAS = ("basket_front_left", "basket_front_right")
STEPS = 7


def record(task: str, domain: str, seed: int) -> tuple[RecordedEpisode, list[dict[str, np.ndarray]]]:
    env = make_env(task, domain, cameras=CAMERAS, image_size=64)
    observation, info = env.reset(seed=seed)
    drawn = {section: values for section, values in info["draw"].items() if section != "domain"}
    images, qpos = [], []
    for _ in range(STEPS):
        images.append({name: observation[name] for name in CAMERAS})
        qpos.append(info["qpos"])
        observation, *_, info = env.step(env.action_space.high * np.float32([-1, 1, -1, 1, 1]))
    env.close()
    return RecordedEpisode(seed, drawn, np.stack(qpos)), images


def same(ours: list[dict[str, np.ndarray]], theirs: list[dict[str, np.ndarray]]) -> list[bool]:
    return [all(np.array_equal(a[name], b[name]) for name in CAMERAS) for a, b in zip(ours, theirs, strict=True)]


@pytest.fixture(scope="module")
def episode() -> tuple[RecordedEpisode, list[dict[str, np.ndarray]]]:
    return record("rgb_stacking/triplet5", "randomized", seed=2)


@pytest.mark.parametrize(("triplet", "domain"), [("triplet5", "randomized"), ("train", "lab")])
def test_own_looks_give_the_own_images(triplet: str, domain: str) -> None:
    episode, images = record(f"rgb_stacking/{triplet}", domain, seed=11)
    renderer = LooksRenderer(triplet, domain, CAMERAS, 64)
    other = list(renderer.render(episode, looks_seed=12))
    assert same(list(renderer.render(episode, looks_seed=11)), images) == [True] * STEPS
    assert same(other, images) == [False] * STEPS
    renderer.close()


def test_only_looks_come_from_the_other_seed(episode: tuple[RecordedEpisode, list[dict[str, np.ndarray]]]) -> None:
    renderer = LooksRenderer("triplet5", "randomized", (), 64)
    drawn = renderer.sample(episode[0], looks_seed=3).drawn
    assert drawn.keys() == episode[0].drawn.keys() == load_domain("randomized").ranges.keys()
    for section in drawn:
        assert (drawn[section] == episode[0].drawn[section]) == (section not in LOOKS), section


def test_delays_and_repeated_images_stay_those_of_the_episode(tmp_path) -> None:
    domain = tmp_path / "late.yaml"
    late = "time: {image_delay: {range: [0.03, 0.08], unit: s, reason: x}, dropped_frames: {range: [0.3, 0.3], "
    late += "unit: probability, reason: x}}\nimage: {exposure: {range: [-1, 1], unit: EV, reason: x}, "
    domain.write_text(late + "noise: {range: [0, 4], unit: levels, reason: x}}\n")
    episode, images = record("rgb_stacking/triplet5", str(domain), seed=4)

    def repeats(sequence: list[dict[str, np.ndarray]]) -> np.ndarray:
        pairs = zip(sequence, sequence[1:], strict=False)
        return np.array([[np.array_equal(a[name], b[name]) for name in CAMERAS] for a, b in pairs])

    expected = repeats(images)
    assert expected.any() and not expected.all()
    for looks in (str(domain), "nominal"):  # with and without noise, which draws from the delays' generator
        renderer = LooksRenderer("triplet5", looks, CAMERAS, 64)
        found = repeats(list(renderer.render(episode, looks_seed=9)))
        renderer.close()
        assert found[expected].all()
        # without noise, images are also equal where nothing moves that a camera sees
        assert (found == expected).all() if looks != "nominal" else (found == expected).mean() > 0.9


def test_positions_of_another_model_are_refused() -> None:
    renderer = LooksRenderer("triplet5", "nominal", (), 64)
    with pytest.raises(SimError, match=r"positions \(T, 36\) expected, got \(2, 7\)"):
        next(renderer.render(RecordedEpisode(0, {}, np.zeros((2, 7))), looks_seed=1))

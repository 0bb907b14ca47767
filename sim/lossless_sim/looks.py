"""Render recorded episodes again: the same motion and delays, other appearance, lights, cameras and image effects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.cell import CellCache
from lossless_sim.domains import DomainSample, apply, load_domain
from lossless_sim.domains.sample import Drawn
from lossless_sim.episode_rngs import EpisodeRngs
from lossless_sim.errors import SimError
from lossless_sim.render import CameraRenderer
from lossless_sim.scene.objects import check_triplet, sample_triplet
from lossless_sim.scene.physics import physics as physics_settings
from lossless_sim.sensing import CameraSensor, Images


@dataclass(frozen=True)
class RecordedEpisode:
    """What an episode has to keep to be rendered again.

    Attributes:
        seed: of the episode.
        drawn: parameters of its domain: section -> parameter -> list of numbers.
        qpos: MuJoCo's positions (T, nq) at its observations, from the first one on.
    """

    seed: int
    drawn: Drawn
    qpos: np.ndarray


class LooksRenderer:
    """Renders episodes of a task with looks of a domain. With the seed of the episode itself, its images come back.

    Args:
        triplet, physics, cameras, image_size: as of the environment that the episodes are from.
        domain: the looks' domain: a name of config/domains or the path of a YAML file.

    Raises:
        SimError: an unknown name.
    """

    def __init__(
        self, triplet: str, domain: str, cameras: Sequence[str], image_size: int, physics: str = "fast"
    ) -> None:
        check_triplet(triplet)
        self._triplet = triplet
        self._domain = load_domain(domain)
        self._cells = CellCache(physics_settings(physics))
        self._renderer = CameraRenderer(cameras, image_size)

    def sample(self, episode: RecordedEpisode, looks_seed: int) -> DomainSample:
        """Return the episode's parameters, with the looks of the domain's episode with seed `looks_seed`."""
        looks = self._domain.sample(EpisodeRngs.of(looks_seed).domain)
        return DomainSample.of(episode.drawn).with_looks_of(looks)

    def render(self, episode: RecordedEpisode, looks_seed: int) -> Iterator[Images]:
        """Yield the images that arrive at each observation of the episode, RGB (size, size, 3) uint8 by camera.

        Raises:
            SimError: the positions are not those of the task's model, or there is no off-screen OpenGL.
        """
        rngs, looks_rngs = EpisodeRngs.of(episode.seed), EpisodeRngs.of(looks_seed)
        cell = self._cells.get(sample_triplet(self._triplet, rngs.initial))
        sample = self.sample(episode, looks_seed)
        model = apply(cell.model, sample)
        if episode.qpos.shape[1:] != (model.nq,):
            raise SimError(f"positions (T, {model.nq}) expected, got {episode.qpos.shape}")
        data = mujoco.MjData(model)
        cameras = CameraSensor(sample, looks_rngs.camera)
        original_cameras = CameraSensor(DomainSample.of(episode.drawn), rngs.camera)
        self._renderer.load(model, assets=cell.model)
        for positions in episode.qpos:
            data.qpos[:] = positions
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_camlight(model, data)
            rendered = self._renderer.render(model, data, sample.lights.has_shadows)
            images = cameras.capture(rendered)
            # The episode's delays come from the generator that its noise came from, and so in the looks' own episode.
            # Both sensors therefore draw what they would draw there; only the original delays are kept.
            cameras.deliver(images)
            original_cameras.skip(rendered)
            yield original_cameras.deliver(images)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

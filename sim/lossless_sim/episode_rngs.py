"""Random numbers of an episode: independent generators, all from its seed."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EpisodeRngs:
    """Generators of an episode.

    Attributes:
        initial: objects and initial state.
        domain: parameters of the domain.
        sensor: noise of the proprioception.
        camera: noise, delays and losses of images.
    """

    initial: np.random.Generator
    domain: np.random.Generator
    sensor: np.random.Generator
    camera: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> "EpisodeRngs":
        """Return the generators of the episode with this seed."""
        return cls(*(np.random.default_rng(sequence) for sequence in np.random.SeedSequence(seed).spawn(4)))

"""The randomized parameters of one episode, resolved once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lossless_sim.domains.parameters import (
    SECTIONS,
    AppearanceParameters,
    CameraParameters,
    DynamicsParameters,
    ImageParameters,
    LightParameters,
    RobotParameters,
    TimeParameters,
)

LOOKS = ("appearance", "lights", "cameras", "image")  # sections that change images and nothing else
Drawn = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class DomainSample:
    """Parameters of one episode by section, nominal where the domain does not randomize them.

    Attributes:
        drawn: only the randomized values: section -> parameter -> list of numbers; can be written as JSON.
    """

    drawn: Drawn = field(default_factory=dict)
    appearance: AppearanceParameters = field(default_factory=AppearanceParameters)
    lights: LightParameters = field(default_factory=LightParameters)
    cameras: CameraParameters = field(default_factory=CameraParameters)
    image: ImageParameters = field(default_factory=ImageParameters)
    dynamics: DynamicsParameters = field(default_factory=DynamicsParameters)
    robot: RobotParameters = field(default_factory=RobotParameters)
    time: TimeParameters = field(default_factory=TimeParameters)

    @classmethod
    def of(cls, drawn: Drawn) -> "DomainSample":
        """Fill the randomized values up with nominal ones."""
        return cls(
            drawn,
            **{
                section: SECTIONS[section](**{name: np.asarray(values) for name, values in entries.items()})
                for section, entries in drawn.items()
            },
        )

    def with_looks_of(self, other: "DomainSample") -> "DomainSample":
        """Return these dynamics, sensor errors and delays with the looks of `other`."""
        behavior = {section: values for section, values in self.drawn.items() if section not in LOOKS}
        return self.of({**behavior, **{section: other.drawn[section] for section in LOOKS if section in other.drawn}})

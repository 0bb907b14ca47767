"""Domains: ranges of the randomized parameters, sampled once per episode."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_sim.domains.parameters import PARAMETERS
from lossless_sim.domains.sample import DomainSample
from lossless_sim.errors import SimError, unknown
from lossless_sim.paths import find_config

_KEYS = ("range", "unit", "reason")


@dataclass(frozen=True)
class Range:
    """Limits of a uniform distribution in the parameter's unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Domain:
    """A distribution of worlds.

    Attributes:
        name: name of the domain.
        ranges: ranges by section and parameter; all other parameters stay nominal.
    """

    name: str
    ranges: Mapping[str, Mapping[str, Range]]

    def sample(self, rng: np.random.Generator) -> DomainSample:
        """Draw the parameters of one episode."""
        return DomainSample.of(
            {
                section: {
                    name: [float(value) for value in rng.uniform(r.low, r.high, PARAMETERS[section][name].size)]
                    for name, r in entries.items()
                }
                for section, entries in self.ranges.items()
            }
        )


def load_domain(name: str) -> Domain:
    """Load a domain by its name in config/domains or from the path of a YAML file.

    Raises:
        SimError: unknown name, or a file with unknown keys, wrong units or missing reasons.
    """
    path = find_config("domains", name)
    return Domain(path.stem, _parse(path))


def _parse(path: Path) -> dict[str, dict[str, Range]]:
    """Read the ranges of a domain file."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SimError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise SimError(f"{path}: expected sections {', '.join(PARAMETERS)}, got {data!r}")
    ranges: dict[str, dict[str, Range]] = {}
    for section, entries in data.items():
        if section not in PARAMETERS:
            raise SimError(f"{path}: {unknown('section', section, PARAMETERS)}")
        if not isinstance(entries, dict):
            raise SimError(f"{path}: {section}: expected a mapping, got {entries!r}")
        ranges[section] = {}
        for key, entry in entries.items():
            if key not in PARAMETERS[section]:
                raise SimError(f"{path}: {section}: {unknown('parameter', key, PARAMETERS[section])}")
            ranges[section][key] = _range(entry, PARAMETERS[section][key].unit, f"{path}: {section}.{key}")
    return ranges


def _range(entry: Any, unit: str, where: str) -> Range:
    """Validate one entry of a domain file."""
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise SimError(f"{where}: expected exactly the keys {', '.join(_KEYS)}")
    if str(entry["unit"]) != unit:
        raise SimError(f"{where}: expected unit {unit}, got {entry['unit']}")
    if not str(entry["reason"] or "").strip():
        raise SimError(f"{where}: the reason must not be empty")
    limits = entry["range"]
    numbers = isinstance(limits, list) and len(limits) == 2
    if not numbers or not all(isinstance(limit, (int, float)) for limit in limits) or limits[0] > limits[1]:
        raise SimError(f"{where}: expected a range [low, high], got {limits!r}")
    return Range(float(limits[0]), float(limits[1]))

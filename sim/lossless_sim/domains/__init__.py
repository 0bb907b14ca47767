"""How the world looks and behaves: domains drawn per episode from YAML files."""

from lossless_sim.domains.domain import Domain, load_domain

__all__ = ["Domain", "load_domain"]

"""How the world looks and behaves: domains drawn per episode from YAML files."""

from lossless_sim.domains.apply import apply
from lossless_sim.domains.domain import Domain, Draw, load_domain, values
from lossless_sim.domains.image import spoil

__all__ = ["Domain", "Draw", "apply", "load_domain", "spoil", "values"]

"""Domain randomization: look and behavior of the world, sampled per episode from ranges in YAML files."""

from lossless_sim.domains.apply import apply
from lossless_sim.domains.camera_model import apply_camera_model, sensor_noise
from lossless_sim.domains.domain import Domain, load_domain
from lossless_sim.domains.sample import DomainSample

__all__ = ["Domain", "DomainSample", "apply", "apply_camera_model", "load_domain", "sensor_noise"]

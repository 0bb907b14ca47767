"""A backbone of each family with random weights, small enough for tests, and policies on it."""

from pathlib import Path

import pytest
import torch

from lossless_ros.contract import Contract, load_contract
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, save_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import NetworkConfig


@pytest.fixture(scope="session")
def lite0() -> Backbone:
    return load_backbone("tf_efficientnet_lite0")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract("rgb_stacking")


@pytest.fixture
def config() -> NetworkConfig:
    return NetworkConfig(("bottom", "middle", "top"), 4, 3, 64, 128, 2, (16,))


torch.set_num_threads(1)  # small tensors: threads would only wait for each other


def awake(module: torch.nn.Module, seed: int = 1) -> None:
    """Give every parameter, also those that start at zero, a small random value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def write_bundle(
    path: Path, backbone: Backbone, contract: Contract, config: NetworkConfig, mode: str = "adapters"
) -> Bundle:
    """A bundle of a policy with random parameters."""
    torch.manual_seed(0)
    network = Network(config, backbone, contract)
    awake(network)
    name, fingerprint = backbone.name, backbone.fingerprint
    bundle = Bundle("rgb_stacking/triplet1", mode, contract, name, fingerprint, config, {"seed": 0}, backbone.source)
    return save_bundle(path, bundle, network.state_dict())


@pytest.fixture
def bundle_path(tmp_path: Path, lite0: Backbone, contract: Contract, config: NetworkConfig) -> Path:
    path = tmp_path / "triplet1.safetensors"
    write_bundle(path, lite0, contract, config)
    return path

"""Small backbones with random weights, policies on them and frames to act on."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from lossless_ros.contract import Contract, load_contract
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, save_bundle
from lossless_ros.models.families import find_family
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.observation.frames import Frame

torch.set_num_threads(1)  # small tensors: several threads would only wait for each other


@pytest.fixture(scope="session")
def lite0() -> Backbone:
    return load_backbone("tf_efficientnet_lite0")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract("rgb_stacking")


@pytest.fixture
def config() -> NetworkConfig:
    return NetworkConfig(
        placements=("bottom", "middle", "top"),
        bottleneck_dim=4,
        kernel_size=3,
        image_size=64,
        top_size=128,
        top_grid=2,
        hidden_dims=(16,),
    )


@pytest.fixture
def frames(contract: Contract) -> list[Frame]:
    """Three frames of random images and proprioception, one control period apart."""
    rng = np.random.default_rng(0)
    return [
        Frame(
            i * contract.period_ns,
            tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in contract.cameras),
            rng.normal(size=contract.proprioception_dim).astype(np.float32),
            {},
        )
        for i in range(3)
    ]


@pytest.fixture
def bundle_path(tmp_path: Path, lite0: Backbone, contract: Contract, config: NetworkConfig) -> Path:
    path = tmp_path / "triplet1.safetensors"
    write_bundle(path, lite0, contract, config)
    return path


def randomize_parameters(module: torch.nn.Module, seed: int = 1) -> None:
    """Add a small random value to every parameter, including those that are initialized to zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def random_backbone(name: str) -> Backbone:
    """Return a timm model of random weights as a backbone."""
    torch.manual_seed(0)
    model = timm.create_model(name)
    randomize_parameters(model)
    return Backbone(name, find_family(name, model), model, "random")


def write_bundle(
    path: Path, backbone: Backbone, contract: Contract, config: NetworkConfig, mode: str = "adapters"
) -> Bundle:
    """Write the bundle of a policy with random parameters."""
    torch.manual_seed(0)
    network = Network(config, backbone, contract)
    randomize_parameters(network)
    bundle = Bundle(
        task="rgb_stacking/triplet1",
        mode=mode,
        contract=contract,
        backbone=backbone.name,
        fingerprint=backbone.fingerprint,
        network=config,
        provenance={"seed": 0},
        source=backbone.source,
    )
    return save_bundle(path, bundle, network.state_dict())

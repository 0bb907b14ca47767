"""Policies for tests of the nodes, on a real backbone."""

from pathlib import Path

from lossless_ros.contract import Contract, load_contract

CONSTANT_OUTPUTS = (0.4, 0.2, 0.1, 0.0, 5.0)  # 28, 14 and 7 mm/s, no rotation, gripper closed


def write_policy(
    path: Path,
    task: str,
    seed: int,
    outputs: tuple[float, ...] = (),
    chunk_size: int = 1,
    execution: str = "ensemble",
    contract: Contract | None = None,
) -> Path:
    """Write a bundle with adapters everywhere and a random head; with `outputs` the head always returns these.

    Outputs (chunk_size * dim,) are fractions of the action limits; the gripper closes above 0.
    """
    import torch

    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.bundle import Bundle, save_bundle
    from lossless_ros.models.execution import Execution
    from lossless_ros.models.network import Network
    from lossless_ros.models.network_config import NetworkConfig

    backbone, contract = load_backbone("tf_efficientnet_lite0"), contract or load_contract("rgb_stacking")
    config = NetworkConfig(("bottom", "middle", "top"), 4, 3, 128, 64, 2, (16,), chunk_size)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(config, backbone, contract)
    if outputs:
        with torch.no_grad():
            network.head[-1].weight.zero_()
            network.head[-1].bias.copy_(torch.tensor(outputs))
    name, fingerprint = backbone.name, backbone.fingerprint
    chosen = Execution.parse(execution, chunk_size)
    bundle = Bundle(task, "adapters", contract, name, fingerprint, config, execution=chosen)
    save_bundle(path, bundle, network.state_dict())
    return path

"""A training job: its names resolved and its files loaded, before anything is trained."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from lossless_ros import defaults
from lossless_ros.contract import Contract, Robot, load_contract, load_robot
from lossless_ros.control.robot_limits import load_allowed_robot
from lossless_ros.episodes.reader import find_episodes, read_info
from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, check_backbone, load_bundle
from lossless_ros.models.execution import Execution
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.checkpoint import RunIdentity
from lossless_ros.training.hyperparameters import Hyperparameters, network_config
from lossless_ros.training.object_targets import check_contract, wants_object_targets
from lossless_ros.training.train_config import TrainConfig, as_paths, check_out


@dataclass(frozen=True)
class InitialPolicy:
    """The bundle that training starts from, and its tensors."""

    bundle: Bundle
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainJob:
    """What a `TrainConfig` names, loaded."""

    config: TrainConfig
    out: Path
    contract: Contract
    robot: Robot
    backbone: Backbone
    fingerprint: str  # of the backbone, before training
    hyperparameters: Hyperparameters  # those of `config`, adapted to the bundle to start from
    network: NetworkConfig
    execution: Execution
    init: InitialPolicy | None

    def identify(self, data: TrainingData) -> RunIdentity:
        """Return what a checkpoint must match to be continued by this job on `data`."""
        return RunIdentity(
            mode=self.config.mode,
            backbone=self.config.backbone,
            fingerprint=self.fingerprint,
            training_key=data.training.key,
            held_out_key=data.held_out.key,
            contract=self.contract.to_json(),
            init_hash=self.init.bundle.hash if self.init else "",
            hyperparameters=self.hyperparameters,
        )


def prepare_job(config: TrainConfig, hyperparameters: Hyperparameters) -> TrainJob:
    """Check what can be checked early, and load everything but the episodes.

    Args:
        config: what to train on what.
        hyperparameters: those of `config`, loaded.

    Raises:
        LosslessError: a name is unknown, a file cannot be used, or two of them do not fit together.
    """
    out = Path(config.out)
    check_out(out)
    weights = Path(config.weights) if config.weights is not None else None
    backbone = load_backbone(config.backbone, weights, config.allow_hub)
    robot = load_robot(config.robot) if isinstance(config.robot, str) else config.robot
    contract = _find_contract(config)
    if isinstance(config.robot, str):
        robot = load_allowed_robot(config.robot, contract)  # the node would refuse the bundle of another contract
    network = network_config(hyperparameters, config.mode, backbone)
    if wants_object_targets(hyperparameters):
        check_contract(contract, hyperparameters)
    init = None
    if config.init_from is not None:
        init = _load_initial_policy(Path(config.init_from), config.mode, backbone)
        network = init.bundle.network
        # A warmup would train the head without the adapters that it was trained with.
        hyperparameters = dataclasses.replace(hyperparameters, head_warmup_steps=0)
    try:  # its chunks may be those of the bundle to start from
        execution = Execution.parse(hyperparameters.execution, network.chunk_size)
    except ValueError as error:
        raise LosslessError(str(error)) from None
    return TrainJob(
        config=config,
        out=out,
        contract=contract,
        robot=robot,
        backbone=backbone,
        fingerprint=backbone.fingerprint,
        hyperparameters=hyperparameters,
        network=network,
        execution=execution,
        init=init,
    )


def _find_contract(config: TrainConfig) -> Contract:
    """Return the contract of a job; if it is `auto`, that of its episodes. Recordings of robots do not say theirs.

    Raises:
        LosslessError: no such contract, or the episodes were recorded with several.
    """
    if isinstance(config.contract, Contract):
        return config.contract
    if config.contract != defaults.AUTO:
        return load_contract(config.contract)
    episodes = find_episodes(as_paths(config.data))
    names = {str(read_info(path).get("contract", defaults.CONTRACT)) for path in episodes}
    if len(names) > 1:
        raise LosslessError(f"the episodes were recorded with contracts {', '.join(sorted(names))}; give --contract")
    return load_contract(names.pop())


def _load_initial_policy(path: Path, mode: str, backbone: Backbone) -> InitialPolicy:
    bundle, tensors = load_bundle(path)
    check_backbone(path, bundle, backbone.name, backbone.fingerprint)
    if bundle.mode != mode:
        raise LosslessError(f"{path} is of mode {bundle.mode}, not {mode}; train with --mode {bundle.mode}")
    return InitialPolicy(bundle, tensors)

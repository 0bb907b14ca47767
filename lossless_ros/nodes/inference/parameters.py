"""What the inference node's parameters mean together: contract and limits, and mistakes told before anything loads."""

from typing import Any

from lossless_ros.contract import Contract, load_contract, load_robot
from lossless_ros.control.safety import Limits
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.policy_library import check_contract, choose_task, find_bundles


def check(parameters: dict[str, Any]) -> None:
    """Tell mistakes in the parameters that can be told without loading anything.

    Raises:
        LosslessError: with the one line that says what is wrong.
    """
    load_robot(parameters["robot"])
    found = find_bundles(parameters["bundles"])
    bundle = read_bundle(found[choose_task(parameters["task"], found)])
    limits_of(contract_of(parameters, bundle.contract), parameters)


def contract_of(parameters: dict[str, Any], own: Contract) -> Contract:
    """The contract given by hand, if it fits the bundle's own; else that one."""
    if not parameters["contract"]:
        return own
    contract = load_contract(parameters["contract"])
    check_contract(contract, own)
    return contract


def limits_of(contract: Contract, parameters: dict[str, Any]) -> Limits:
    """Limits of the contract and of the parameters safety.*.

    Raises:
        LosslessError: a parameter makes no sense.
    """
    names = (
        *("linear_acceleration", "angular_acceleration", "linear_jerk", "angular_jerk"),
        *("gripper_rate", "workspace"),
    )
    if not 0 <= parameters["safety.deadline"] < float("inf"):
        raise LosslessError(
            f"safety.deadline is {parameters['safety.deadline']}, expected seconds, or 0 for one period"
        )
    try:
        return Limits.of(contract.action, **{name: parameters[f"safety.{name}"] for name in names})
    except ValueError as error:
        raise LosslessError(f"safety: {error}") from None

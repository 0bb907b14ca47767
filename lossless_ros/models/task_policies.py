"""The loaded policies of several tasks, one of which is active."""

from typing import TYPE_CHECKING, Any

from lossless_ros.models.policy_library import choose_task, find_bundles, load_new_policies, load_policies

if TYPE_CHECKING:
    from lossless_ros.models.policy import Policy


class TaskPolicies:
    """Loads the bundles of a file or a folder; `parameters` are those of the inference node.

    Raises:
        LosslessError: a bundle cannot be used, or the task is unknown.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._bundles: str = parameters["bundles"]
        self._device, self._runtime = parameters["device"], parameters["runtime"]
        self._precision = parameters["precision"]
        found = find_bundles(self._bundles)
        self.task = choose_task(parameters["task"], found)
        self._policies = load_policies(found, self._device, parameters["threads"], self._runtime, self._precision)

    @property
    def active(self) -> "Policy":
        """Return the policy of the active task."""
        return self._policies[self.task]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the names of all tasks."""
        return tuple(self._policies)

    def __getitem__(self, task: str) -> "Policy":
        return self._policies[task]

    def warm_up(self) -> None:
        """Run every policy once, in the thread that calls it."""
        for policy in self._policies.values():
            policy.warm_up(1)

    def reset(self) -> None:
        """Start a new episode: drop predictions that were made for the previous one."""
        for policy in self._policies.values():
            policy.reset()

    def rescan(self) -> tuple[str, bool]:
        """Load new and changed bundles of the folder. This takes time; any thread may call it.

        Returns:
            One line that lists new tasks and faulty bundles, and whether there were no faulty ones.

        Raises:
            LosslessError: the bundles are not in a folder.
        """
        new, faults = load_new_policies(self._bundles, self._policies, self._device, self._runtime, self._precision)
        self._policies = {**self._policies, **new}  # replaced as a whole: other threads read it
        return "; ".join([f"new: {', '.join(sorted(new)) or 'none'}", *faults]), not faults

"""The loaded policies of several tasks, one of which is active."""

from typing import TYPE_CHECKING

from lossless_ros.models.policy_library import (
    RuntimeConfig,
    choose_task,
    find_bundles,
    load_new_policies,
    load_policies,
)

if TYPE_CHECKING:
    from lossless_ros.models.policy import Policy


class TaskPolicies:
    """The policies of the bundles in a file or a folder.

    Args:
        bundles: the file, the folder, or the name of a shipped bundle.
        task: the active task; empty for the only one.
        config: how the policies are run.

    Raises:
        LosslessError: a bundle cannot be used, or the task is unknown.
    """

    def __init__(self, bundles: str, task: str, config: RuntimeConfig) -> None:
        self._bundles, self._config = bundles, config
        found = find_bundles(bundles)
        self.task = choose_task(task, found)
        self._policies = load_policies(found, config)

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
        new, faults = load_new_policies(self._bundles, self._policies, self._config)
        self._policies = {**self._policies, **new}  # replaced as a whole: other threads read it
        return "; ".join([f"new: {', '.join(sorted(new)) or 'none'}", *faults]), not faults

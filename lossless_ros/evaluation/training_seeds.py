"""Episodes that a policy was trained on, so that no evaluation counts them by mistake."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import Bundle


def trained_seeds(bundle: Bundle, task: str, domain: str, seeds: Iterable[int]) -> list[int] | None:
    """Return those of `seeds` whose episodes the bundle was trained on; None if the bundle does not say.

    Domains are compared by name: a file counts as the domain that is named like it.

    Args:
        bundle: the policy.
        task, domain: of the episodes.
        seeds: of the episodes.
    """
    data = bundle.provenance.get("data", {})
    if task != bundle.task:
        return []
    if not isinstance(data, dict) or "seeds" not in data:
        return None
    ranges = [pair for name, pairs in data["seeds"].items() if Path(name).stem == Path(domain).stem for pair in pairs]
    return [seed for seed in seeds if any(first <= seed <= last for first, last in ranges)]


def refuse_trained(trained: Sequence[int], total: int, policy: str, domain: str) -> None:
    """Refuse an evaluation of episodes that were trained on.

    Args:
        trained: the seeds that were trained on.
        total: number of episodes of the evaluation.
        policy: the bundle, for the message.
        domain: where it is evaluated.

    Raises:
        LosslessError: there are such seeds.
    """
    if trained:
        shown = ", ".join(map(str, trained[:3])) + (", ..." if len(trained) > 3 else "")
        raise LosslessError(
            f"{policy} was trained on {len(trained)} of these {total} episodes (seeds {shown} in {domain}), so its "
            "success rate would say nothing about others; choose other episodes with --seed, or give "
            "--allow-training-seeds"
        )

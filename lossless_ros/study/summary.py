"""The figures of a study: success rates with intervals, paired comparisons, and choices of checkpoints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.episode_table import count_successes, paired, totals
from lossless_ros.evaluation.statistics import wilson_interval
from lossless_ros.simulation.env import find_suite
from lossless_ros.study.config import Study, Training, suite_name

Row = dict[str, str]
Rows = list[Row]


@dataclass(frozen=True)
class Policy:
    """A trained policy and what its training returned."""

    training: Training
    result: dict[str, Any]

    @property
    def held_out_losses(self) -> dict[int, float]:
        """The held-out loss after the step of each checkpoint that is evaluated; the trained policy's is the last."""
        points = self.result["curve"][-self.training.plan.evaluation.checkpoints :]
        return {int(point["step"]): float(point["held_out_loss"]) for point in points}


@dataclass(frozen=True)
class Evaluated:
    """A policy's episodes in one domain, by the step of the checkpoint."""

    policy: Policy
    by_step: dict[int, Rows]

    @property
    def last(self) -> Rows:
        """The episodes of the trained policy."""
        return self.by_step.get(int(self.policy.result["steps"]), [])

    @property
    def is_complete(self) -> bool:
        """Whether every checkpoint has all its episodes."""
        wanted = self.policy.training.plan.evaluation.episodes
        return all(len(self.by_step.get(step, [])) >= wanted for step in self.policy.held_out_losses)


def summarize(study: Study, policies: Sequence[Policy], rows: Iterable[Row]) -> dict[str, Any]:
    """Return the summary of evaluated episodes.

    Args:
        study: says which runs are compared.
        policies: those that are trained.
        rows: of episodes.csv: run, task, training_seed, step, domain, seed, success, stage.

    Returns:
        JSON-serializable. `cells`: one per run, task and domain, and one per run and suite of several tasks, in which
        `task` is the suite; each with run, backbone, weights, mode, task, domain, `episode_table.totals` over all
        training seeds, the successes per training seed, and `against_reference` (see `compare.compare`) with
        `reference` where there is one, on the episodes and training seeds that both have. Where several checkpoints of
        all policies were evaluated, also `checkpoints`, see `compare_checkpoints`. `policies`: one per trained policy.
    """
    found = _index(policies, rows)
    cells = []
    for run, task, domain in found:
        mine, reference = found[run, task, domain], study.reference_of(run)
        cells.append(_cell(study, run, task, domain, mine, found.get((reference, task, domain), [])))
    return {"cells": cells, "policies": _policy_rows(found)}


def compare_checkpoints(evaluated: Sequence[Evaluated]) -> dict[str, Any]:
    """Return what becomes of ways to choose among the checkpoints of each policy, all on the same episodes.

    Returns:
        steps: of the first policy's checkpoints. mean: the success rate over all checkpoints; its interval is that of
        the number of episodes of one checkpoint, since checkpoints share episodes. best: the checkpoint with the most
        successes on these very episodes, which is optimistic. by_rollouts: chosen by the one half of the episodes and
        counted on the other, both ways round, which is not. by_held_out_loss: the lowest. The last three are
        `episode_table.totals` without stages. rollouts_against_loss: these two compared (see `compare.compare`).
    """
    best, by_rollouts, by_loss = [], [], []
    for one in evaluated:
        losses = one.policy.held_out_losses
        best += one.by_step[_most_successes(one.by_step)]
        by_loss += one.by_step[min(losses, key=lambda step: losses[step])]
        for parity in (0, 1):
            others = {
                step: [row for row in rows if int(row["seed"]) % 2 != parity] for step, rows in one.by_step.items()
            }
            chosen = one.by_step[_most_successes(others)]
            by_rollouts += [row for row in chosen if int(row["seed"]) % 2 == parity]
    everything = [row for one in evaluated for rows in one.by_step.values() for row in rows]
    rate, n = count_successes(everything) / len(everything), len(best)
    low, high = wilson_interval(round(rate * n), n)
    return {
        "steps": list(evaluated[0].policy.held_out_losses),
        "mean": {"rate": rate, "n": n, "interval_95": [round(low, 4), round(high, 4)]},
        "best": totals(best, ()),
        "by_rollouts": totals(by_rollouts, ()),
        "by_held_out_loss": totals(by_loss, ()),
        "rollouts_against_loss": paired(_unique(by_rollouts), _unique(by_loss)),
    }


def table(summary: dict[str, Any]) -> list[str]:
    """Return the summary as lines of text, one per cell and one per failed policy."""
    lines = []
    for cell in summary["cells"]:
        low, high = (100 * bound for bound in cell["interval_95"])
        line = (
            f"{cell['run']:20} {cell['task']:32} {cell['domain']:12} "
            f"{cell['successes']:4} of {cell['n']:<4} {low:3.0f} to {high:3.0f} %"
        )
        other = cell.get("against_reference")
        if other:
            low, high = (100 * bound for bound in other["interval_95"])
            line += f"  {100 * other['difference']:+.0f} points ({low:+.0f} to {high:+.0f}) against {cell['reference']}"
        lines.append(line)
    for policy in summary["failed"]:
        lines.append(f"failed: {policy['run']} {policy['task']} seed {policy['training_seed']}: {policy['error']}")
    return lines


def _index(policies: Sequence[Policy], rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Evaluated]]:
    """Return the evaluated policies of each run, task and domain, and of each run and suite of several tasks."""
    by_policy: dict[tuple[str, ...], dict[str, dict[int, Rows]]] = {}
    for row in rows:
        domains = by_policy.setdefault((row["run"], row["task"], row["training_seed"]), {})
        domains.setdefault(row["domain"], {}).setdefault(int(row["step"]), []).append(row)
    found: dict[tuple[str, str, str], list[Evaluated]] = {}
    for policy in policies:
        training = policy.training
        key = tuple(map(str, training.labels().values()))
        for domain, by_step in by_policy.get(key, {}).items():
            known = {step: by_step[step] for step in policy.held_out_losses if step in by_step}
            found.setdefault((training.run_name, training.task, domain), []).append(Evaluated(policy, known))
    return found | _suites(found)


def _suites(found: dict[tuple[str, str, str], list[Evaluated]]) -> dict[tuple[str, str, str], list[Evaluated]]:
    """Return the evaluated policies of each run and suite, if they have several tasks, all that any run has."""
    tasks: dict[tuple[str, str], dict[str, None]] = {}
    for _, task, domain in found:
        tasks.setdefault((suite_name(task), domain), {})[task] = None
    pooled: dict[tuple[str, str, str], list[Evaluated]] = {}
    for run in dict.fromkeys(run for run, _, _ in found):
        for (suite, domain), members in tasks.items():
            if len(members) > 1 and all((run, task, domain) in found for task in members):
                pooled[run, suite, domain] = [one for task in members for one in found[run, task, domain]]
    return pooled


def _cell(
    study: Study, run: str, task: str, domain: str, mine: list[Evaluated], theirs: list[Evaluated]
) -> dict[str, Any]:
    last = [row for one in mine for row in one.last]
    seeds = dict.fromkeys(one.policy.training.seed for one in mine)
    settings = study.runs[run]
    cell: dict[str, Any] = {
        "run": run,
        "backbone": settings.backbone,
        "weights": Path(settings.weights).name,
        "mode": settings.mode,
        "task": task,
        "domain": domain,
        **totals(last, find_suite(mine[0].policy.training.task).stages),
        "per_training_seed": {
            str(seed): count_successes(row for one in mine if one.policy.training.seed == seed for row in one.last)
            for seed in seeds
        },
    }
    if theirs:
        cell["reference"] = study.reference_of(run)
        cell["against_reference"] = paired(_unique(last), _unique(row for one in theirs for row in one.last))
    if all(one.is_complete and len(one.by_step) > 1 for one in mine):
        cell["checkpoints"] = compare_checkpoints(mine)
    return cell


def _unique(rows: Iterable[Row]) -> Rows:
    """Return rows whose seeds tell episodes of different tasks apart."""
    return [{**row, "seed": f"{row['task']} {row['seed']}"} for row in rows]


def _most_successes(by_step: dict[int, Rows]) -> int:
    """Return the step of the checkpoint with the most successes, the latest one of several."""
    return max(by_step, key=lambda step: (count_successes(by_step[step]), step))


def _policy_rows(found: dict[tuple[str, str, str], list[Evaluated]]) -> list[dict[str, Any]]:
    """Return a row per trained policy and domain for runs.csv."""
    rows = []
    for (run, task, domain), evaluated in found.items():
        for one in evaluated if "/" in task else ():  # not of suites, which have the same policies
            training, result = one.policy.training, one.policy.result
            successes, n = count_successes(one.last), len(one.last)
            low, high = wilson_interval(successes, n)
            rows.append(
                {
                    "run": run,
                    "task": task,
                    "suite": suite_name(task),
                    "training_seed": training.seed,
                    "backbone": training.run.backbone,
                    "weights": training.run.weights,
                    "mode": training.run.mode,
                    "demonstrations": result["data"]["episodes"],
                    "trained_parameters": result["parameters"]["trained"],
                    "steps": result["steps"],
                    "seconds": result["seconds"],
                    "held_out_loss": result["held_out_loss"],
                    "domain": domain,
                    "successes": successes,
                    "n": n,
                    "low_95": low,
                    "high_95": high,
                }
            )
    return rows

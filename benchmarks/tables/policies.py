"""Tables of trained policies: the stacking recipe, the comparison of modes, the ablations and the demo."""

import json
from typing import Any

from benchmarks.common import PAIR_COLUMNS, RESULTS, SHOWN_STAGES, interval, markdown, pair_cells, read_summary
from lossless_ros.evaluation.episode_table import paired, read_rows, select, totals

STACKING_RECIPE = (  # a row each; recipes that differ in the training seed alone are also taken together
    ("frozen",),
    ("adapters_seed0",),
    ("adapters_seed1",),
    ("adapters_seed0", "adapters_seed1"),
    ("adapters_8k_steps",),
    ("full",),
)
MODE_PAIRS = (("adapters", "frozen"), ("full", "adapters"), ("full", "frozen"), ("dagger", "adapters"))
ABLATION_PAIRS = (  # first recipe, second recipe, stage that counts as won; "": success
    ("adapters_lab", "adapters_randomized", "reached"),
    ("dagger_lab", "adapters_lab", "grasped"),
    ("reactive", "triplet5_randomized", ""),
    ("reactive_dagger", "reactive", ""),
    ("adapters_seed0", "frozen", ""),
    ("adapters_seed1", "frozen", ""),
    ("full", "adapters_seed0", ""),
    ("full", "adapters_8k_steps", ""),
    ("adapters_8k_steps", "adapters_seed1", ""),
    ("full", "reactive", ""),
)


def stacking_recipe() -> str:
    """One recipe from the pretrained backbone, in three modes."""
    rows = read_rows(RESULTS / "ablations.csv")
    recipes = read_summary(RESULTS / "ablations.json")["recipes"]
    cells = []
    for names in STACKING_RECIPE:
        episodes = [row for name in names for row in select(rows, recipe=name)]
        parts = [recipes[name] for name in names]
        result = totals(episodes)
        cells.append(
            (
                " + ".join(f"`{name}`" for name in names),
                parts[0]["mode"],
                ", ".join(f"{part['training']['held_out_loss']:.3f}" for part in parts),
                f"{parts[0]['training']['parameters']['trained']:,}",
                *_success(result),
                result["stages"]["reached"],
            )
        )
    return markdown(("recipe", "mode", "held-out loss", "trained parameters", "success", "95 %", "reached"), cells)


def mode_comparison() -> str:
    """A row per mode and domain."""
    rows = read_rows(RESULTS / "mode_comparison.csv")
    cells = []
    for domain, by_mode in read_summary(RESULTS / "mode_comparison.json")["results"].items():
        for mode in by_mode:
            episodes = select(rows, domain=domain, mode=mode)
            result = totals(episodes)
            ever = sum(row["first_success_s"] != "" for row in episodes)
            cells.append((mode, domain, *_success(result), ever, *_stages(result)))
    return markdown(("mode", "domain", "success", "95 %", "ever", *SHOWN_STAGES), cells)


def mode_comparison_losses() -> str:
    """Held-out loss of every training."""
    losses: dict[str, list[str]] = {}
    for name, training in read_summary(RESULTS / "mode_comparison.json")["trainings"].items():
        losses.setdefault(name.rpartition("_")[0], []).append(f"{_last(training)['held_out_loss']:.3f}")
    order = ("frozen", "adapters", "full", "dagger")
    return markdown(("mode", "seed 0", "seed 1"), [(mode, *losses[mode]) for mode in order])


def mode_comparison_pairs() -> str:
    """The modes compared on the same episodes, by success and by reaching red."""
    rows = read_rows(RESULTS / "mode_comparison.csv")
    cells = []
    for domain in ("lab", "randomized"):
        for first, second in MODE_PAIRS:
            for stage in ("", "reached"):
                ours, theirs = (select(rows, domain=domain, mode=mode) for mode in (first, second))
                cells.append((first, second, domain, stage or "success", *pair_cells(paired(ours, theirs, stage))))
    return markdown(("first", "second", "domain", "counted", *PAIR_COLUMNS), cells)


def ablations() -> str:
    """A row per recipe."""
    rows, curves = read_rows(RESULTS / "ablations.csv"), read_rows(RESULTS / "ablations_curves.csv")
    cells = []
    for name, recipe in read_summary(RESULTS / "ablations.json")["recipes"].items():
        result = totals(select(rows, recipe=name))
        points = select(curves, recipe=name)
        losses = [float(point["held_out_loss"]) for point in points if point["round"] == points[-1]["round"]]
        close = ", ".join(f"{rate:.2f}" for rate in recipe["expert_close_rate"].values())
        cells.append((f"`{name}`", f"{min(losses):.3f}, {losses[-1]:.3f}", *_success(result), close, *_stages(result)))
    columns = ("recipe", "held-out loss: minimum, last", "success", "95 %", "expert close rate", *SHOWN_STAGES)
    return markdown(columns, cells)


def ablations_setup() -> str:
    """What each recipe trains, on which demonstrations, with which settings."""
    cells = []
    for name, recipe in read_summary(RESULTS / "ablations.json")["recipes"].items():
        data, trainings = recipe["demonstrations"], _trainings(recipe["training"])
        changed = [
            f"`{key}: {json.dumps(value)}`" for key, value in recipe["hyperparameters"].items() if key != "steps"
        ]
        steps = (
            f"{len(trainings)} x {trainings[0]['steps']}" if "rounds" in recipe["training"] else trainings[0]["steps"]
        )
        cells.append(
            (
                f"`{name}`",
                recipe["mode"],
                f"{data['episodes']} of `{data['expert']}`, {recipe['task'].rpartition('/')[2]}, `{data['domain']}`",
                f"`{recipe['init_from']}`" if "init_from" in recipe else "",
                steps,
                ", ".join(changed),
                f"{sum(training['seconds'] for training in trainings) / 60:.0f} min",
            )
        )
    return markdown(
        ("recipe", "mode", "demonstrations", "initialized from", "steps", "settings", "training time"), cells
    )


def ablations_pairs() -> str:
    """Recipes compared on the same episodes."""
    rows = read_rows(RESULTS / "ablations.csv")
    cells = []
    for first, second, stage in ABLATION_PAIRS:
        result = paired(select(rows, recipe=first), select(rows, recipe=second), stage)
        cells.append((f"`{first}`", f"`{second}`", stage or "success", *pair_cells(result)))
    return markdown(("first", "second", "counted", *PAIR_COLUMNS), cells)


def dagger_rounds() -> str:
    """A row per round of DAgger of the ablations and of the comparison of modes."""
    cells = []
    for file, key in (("ablations", "recipes"), ("mode_comparison", "trainings")):
        for name, entry in read_summary(RESULTS / f"{file}.json")[key].items():
            close = entry.get("expert_close_rate", {})
            for part in entry.get("training", entry).get("rounds", ()):
                rate = close.get(f"round_{part['round']}")
                cells.append(
                    (
                        f"`{name}`",
                        part["round"],
                        f"{100 * part['beta']:.3g} %",
                        f"{part['successes']} of {part['episodes']}",
                        part["frames"],
                        "" if rate is None else f"{rate:.2f}",
                        f"{part['training']['held_out_loss']:.3f}",
                    )
                )
    columns = ("recipe", "round", "expert drives", "success", "frames", "expert close rate", "held-out loss")
    return markdown(columns, cells)


def demo() -> str:
    """`make demo` after set-up: the shipped policy and the one that the demo trains, on the same episodes."""
    run = read_summary(RESULTS / "demo.json")
    trained = f"{run['demonstrations']} demonstrations, {run['steps']} steps in {run['training_s']} s"
    cells = [
        (name, *_success(run[policy]), f"{run['seconds']['everything']} s")
        for name, policy in (("shipped, over ROS 2", "shipped"), (f"trained by the demo: {trained}", "own"))
    ]
    return markdown(("policy", "success", "95 %", "wall time of the demo"), cells)


def _success(result: dict[str, Any]) -> tuple[str, str]:
    return f"{result['successes']} of {result['n']}", interval(result["successes"], result["n"])


def _stages(result: dict[str, Any]) -> list[int]:
    return [result["stages"][stage] for stage in SHOWN_STAGES]


def _trainings(training: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trainings of a recipe: one, or one per round of DAgger."""
    return [part["training"] for part in training["rounds"]] if "rounds" in training else [training]


def _last(training: dict[str, Any]) -> dict[str, Any]:
    return _trainings(training)[-1]

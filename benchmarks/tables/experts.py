"""Tables of the experts: their success, the released specialists, imitability, and wrong object poses."""

from benchmarks.common import PAIR_COLUMNS, RESULTS, SHOWN_STAGES, interval, markdown, pair_cells, read_summary
from lossless_ros.evaluation.episode_table import count_successes, paired, read_rows, select, totals
from lossless_ros.evaluation.statistics import wilson_interval

PUBLISHED = {"triplet1": 0.777, "triplet4": 0.799}  # README of google-deepmind/rgb_stacking, state-based specialists


def expert_success() -> str:
    """A row per expert, domain, noise and task, then the mean over the five triplets."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for row in read_rows(RESULTS / "expert_success.csv"):
        if row["expert"] != "specialist":
            counts = groups.setdefault((row["expert"], row["domain"], f"{float(row['noise']):g}", row["task"]), [0, 0])
            counts[0] += int(row["successes"])
            counts[1] += int(row["episodes"])
    cells = [
        (
            f"`{expert}`",
            f"`{domain}`",
            noise,
            task,
            f"{successes} of {n}",
            f"{100 * successes / n:.1f} %",
            interval(successes, n),
        )
        for (expert, domain, noise, task), (successes, n) in groups.items()
    ]
    rates = [groups["scripted", "nominal", "0", f"triplet{i}"] for i in range(1, 6)]
    mean = sum(successes / n for successes, n in rates) / len(rates)
    cells.append(("`scripted`", "`nominal`", "0", "mean of the triplets", "", f"{100 * mean:.1f} %", ""))
    return markdown(("expert", "domain", "noise", "objects", "success", "rate", "95 %"), cells)


def specialists() -> str:
    """The released specialists in this simulator, and the rates published for them."""
    cells = []
    for row in select(read_rows(RESULTS / "expert_success.csv"), expert="specialist"):
        n, successes = int(row["episodes"]), int(row["successes"])
        published = PUBLISHED[row["task"]]
        low, high = wilson_interval(successes, n)
        inside = "yes" if low <= published <= high else "no"
        counts = f"{successes} of {n}", interval(successes, n)
        cells.append((row["task"], *counts, f"{100 * published:.1f} %", inside))
    return markdown(("objects", "success here", "95 %", "published", "inside the interval"), cells)


def expert_imitability() -> str:
    """A row per expert and triplet: its own success and that of a student that sees true poses."""
    rows = read_rows(RESULTS / "expert_imitability.csv")
    cells = []
    for student, part in read_summary(RESULTS / "expert_imitability.json")["students"].items():
        expert, task, num_modes = student.split("/")
        result = totals(select(rows, expert=expert, task=task, num_modes=num_modes))
        shown = part["demonstrations"]
        own = f"{shown['successes']} of {shown['episodes']}"
        student = f"{result['successes']} of {result['n']}", interval(result["successes"], result["n"])
        stages = [result["stages"][stage] for stage in SHOWN_STAGES]
        cells.append((f"`{expert}`", task, num_modes, own, *student, *stages))
    return markdown(("expert", "objects", "modes", "expert's success", "success", "95 %", *SHOWN_STAGES), cells)


def expert_imitability_pairs() -> str:
    """The students of two experts on the same episodes."""
    rows = read_rows(RESULTS / "expert_imitability.csv")
    result = paired(select(rows, expert="reactive", task="triplet5"), select(rows, expert="lenient", task="triplet5"))
    return markdown(("first", "second", *PAIR_COLUMNS), [("`reactive`", "`lenient`", *pair_cells(result))])


def pose_error() -> str:
    """A row per triplet and standard deviation of the error."""
    rows = read_rows(RESULTS / "pose_error.csv")
    cells = []
    for triplet, part in read_summary(RESULTS / "pose_error.json")["triplets"].items():
        size = f"{part['red_width_mm']:.0f} mm", f"±{part['clearance_mm']:.0f} mm"
        for error_mm in part["results"]:
            episodes = select(rows, triplet=triplet, error_mm=error_mm)
            n, successes = len(episodes), count_successes(episodes)
            grasped = totals(episodes)["stages"]["grasped"]
            outcome = f"{grasped} of {n}", f"{successes} of {n}", interval(successes, n)
            cells.append((triplet, *size, f"{error_mm} mm", *outcome))
    return markdown(("objects", "width of red", "clearance", "error", "grasped", "success", "95 %"), cells)

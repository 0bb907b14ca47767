"""Tables on the simulator's physics."""

from pathlib import Path
from statistics import mean, median

from benchmarks.common import RESULTS, markdown
from lossless_ros.evaluation.episode_table import read_rows, select


def resting_contact(folder: Path = RESULTS) -> str:
    """A row per variant of the physics, over all tasks and episodes."""
    rows = read_rows(folder / "resting_contact.csv")
    cells = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = select(rows, variant=variant)
        moved = [float(row["moved_mm"]) for row in mine]
        apart = mean(float(row["without_contact"]) for row in mine)
        stays = f"{sum(int(row['stays']) for row in mine)} of {len(mine)}"
        cells.append((variant, stays, f"{median(moved):.1f}", f"{max(moved):.0f}", f"{100 * apart:.0f} %"))
    return markdown(
        ("collision detection", "red stays", "moved, median [mm]", "most [mm]", "steps without contact"), cells
    )

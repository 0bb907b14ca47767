"""Tables of the adapters: their sizes, their cost at inference, and the lossless proof at full size."""

from benchmarks.common import RESULTS, markdown, read_summary
from lossless_ros.evaluation.episode_table import read_rows


def sizes() -> str:
    """Parameters of bottom and middle adapters with the default bottleneck."""
    cells = []
    for row in read_rows(RESULTS / "adapter_sizes.csv"):
        parameters, bottom, middle = (int(row[name]) for name in ("parameters", "bottom", "middle"))
        share = f"{100 * (bottom + middle) / parameters:.2f} %"
        size = f"{parameters / 1e6:.1f} M", row["sites"], row["bottleneck_dim"]
        cells.append((f"`{row['backbone']}`", *size, f"{bottom:,}", f"{middle:,}", share))
    return markdown(("backbone", "parameters", "sites", "bottleneck", "bottom", "middle", "share"), cells)


def overhead() -> str:
    """Time and memory of adapters relative to the bare backbone."""
    run = read_summary(RESULTS / "adapters.json")
    cells = [
        (
            row["batch"],
            f"{row['bare_ms']:.1f} ms",
            f"{row['adapted_ms']:.1f} ms",
            f"{row['adapted_over_bare']:.2f}",
            f"{row['switch_ms']:.2f} ms",
            f"{row['mixed8_over_single']:.2f}",
            f"{row['serial8_over_single']:.2f}",
            f"{row['memory_100_tasks_over_bare']:.2f}",
        )
        for row in run["rows"]
    ]
    columns = ("images", "backbone", "with adapters", "ratio", "task switch")
    ratios = ("8 tasks in one pass / 1 task", "8 tasks one by one / 1 task", "memory of 100 tasks / backbone")
    return markdown((*columns, *ratios), cells)


def full_size() -> str:
    """The lossless proof with the paper's backbones."""
    cells = [
        (
            f"`{row['backbone']}`",
            f"{row['parameters'] / 1e6:.1f} M",
            f"{row['image_size']} px",
            f"{row['adapter_parameters']:,}",
            f"{100 * row['adapter_share']:.2f} %",
            f"{100 * row['bundle_share']:.1f} %",
            "yes" if row["starts_as_identity"] else "no",
            "passed" if row["ok"] else "failed",
        )
        for row in read_summary(RESULTS / "full_size.json")["rows"]
    ]
    columns = ("backbone", "parameters", "image", "adapters", "share", "bundle / backbone", "identity at the start")
    return markdown((*columns, "`lossless verify`"), cells)

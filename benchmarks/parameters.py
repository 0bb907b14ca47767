"""How many parameters the adapters have with the default rank, for full-size backbones. Needs no weights.

    python benchmarks/parameters.py [--json FILE] [--docs docs/adapters.md]

`--docs` puts the table between the two marks in that page.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from lossless_ros.models.adapters import Adapters, count_parameters, default_bottleneck_dim
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.families import find_family
from lossless_ros.models.weights import create_model
from lossless_ros.training.config import load_training_config

NAMES = ("vit_base_patch16_224", "resnet50", "dm_nfnet_f0", "tf_efficientnet_lite0")
BEGIN, END = "<!-- parameters: begin -->", "<!-- parameters: end -->"


def measure(name: str) -> dict[str, Any]:
    """Sizes of one backbone and of its adapters with the default settings."""
    kernel = load_training_config("default").kernel
    with torch.device("meta"):
        model = create_model(name)
        backbone = Backbone(name, find_family(name, model), model, "none")
        rank = default_bottleneck_dim(backbone.sites, kernel, backbone.num_parameters)
        sizes = {p: count_parameters(Adapters(backbone.sites, (p,), rank, kernel)) for p in ("bottom", "middle")}
    share = sum(sizes.values()) / backbone.parameters
    return {
        "backbone": name,
        "parameters": backbone.num_parameters,
        "sites": len(backbone.sites),
        "rank": rank,
        **sizes,
        "share": share,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| backbone | parameters | sites | rank | bottom | middle | share |", "|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(
            f"| {r['backbone']} | {r['parameters'] / 1e6:.1f} M | {r['sites']} | {r['rank']} "
            f"| {r['bottom']:,} | {r['middle']:,} | {100 * r['share']:.2f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--docs", type=Path, help="put the table into this page, between the marks")
    options = parser.parse_args()
    rows = [measure(name) for name in NAMES]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if options.docs:
        text = options.docs.read_text()
        if BEGIN not in text or END not in text:
            parser.error(f"{options.docs} lacks the marks {BEGIN} and {END}")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        options.docs.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}")


if __name__ == "__main__":
    main()

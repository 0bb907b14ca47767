"""How many parameters do the adapters have with the default bottleneck, for full-size backbones? Needs no weights.

python -m benchmarks.parameters [--csv benchmarks/results/adapter_sizes.csv]
"""

import argparse
from pathlib import Path

import torch

from benchmarks.common import markdown
from lossless_ros.evaluation.episode_table import append_rows
from lossless_ros.models.adapters import Adapters, count_parameters, default_bottleneck_dim
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.families import find_family
from lossless_ros.models.weights import create_model
from lossless_ros.training.hyperparameters import load_hyperparameters

NAMES = ("vit_base_patch16_224", "resnet50", "dm_nfnet_f0", "tf_efficientnet_lite0")


def measure(name: str) -> dict[str, str | int]:
    """Return the sizes of one backbone and of its adapters with the default settings."""
    kernel_size = load_hyperparameters("default").kernel_size
    with torch.device("meta"):
        model = create_model(name)
        backbone = Backbone(name, find_family(name, model), model, "none")
        width = default_bottleneck_dim(backbone.sites, kernel_size, backbone.num_parameters)
        sizes = {
            place: count_parameters(Adapters(backbone.sites, (place,), width, kernel_size))
            for place in ("bottom", "middle")
        }
    return {
        "backbone": name,
        "parameters": backbone.num_parameters,
        "sites": len(backbone.sites),
        "bottleneck_dim": width,
        **sizes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    rows = [measure(name) for name in NAMES]
    print(markdown(list(rows[0]), [list(row.values()) for row in rows]))
    if options.csv:
        options.csv.unlink(missing_ok=True)
        append_rows(options.csv, rows)


if __name__ == "__main__":
    main()

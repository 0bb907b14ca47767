"""Does the lossless proof hold for the paper's backbones at full size? From a weights file to a verified bundle.

    python -m benchmarks.full_size [--json full_size.json]

The proof compares every bit of whatever weights there are, so seeded random weights are enough.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from lossless_ros import __version__
from lossless_ros.contract import load_contract
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import Bundle, save_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.weights import create_model
from lossless_ros.training.hyperparameters import load_hyperparameters, network_config

NAMES = ("vit_base_patch16_224", "dm_nfnet_f0", "resnet50", "tf_efficientnet_lite0")


def prove(name: str, folder: Path) -> dict[str, Any]:
    """Check the identity at the start, then verify the bundle of an adapted policy."""
    torch.manual_seed(0)
    weights = folder / f"{name}.safetensors"
    save_file(create_model(name).state_dict(), weights)
    backbone = load_backbone(name, weights)
    contract = load_contract("rgb_stacking")
    sizes = network_config(load_hyperparameters("default"), "adapters", backbone)
    network = Network(sizes, backbone, contract)
    images = torch.rand(2, 3, sizes.image_size, sizes.image_size)
    with torch.inference_mode():
        starts_as_identity = torch.equal(backbone.features(images, network.adapters), backbone.features(images))
    with torch.no_grad():  # as if trained: adapters that change the features
        for parameter in network.adapters.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    path = folder / f"{name}.bundle.safetensors"
    bundle = Bundle(
        "rgb_stacking/triplet1", "adapters", contract, name, backbone.fingerprint, sizes, {}, backbone.source
    )
    save_bundle(path, bundle, network.state_dict())
    report = verify(path, backbone=backbone)
    kept = ("ok", "failures", "parameters_equal", "outputs_equal", "batchnorm_unmoved", "bundle_free_of_backbone")
    return {
        "backbone": name,
        "parameters": backbone.num_parameters,
        "image_size": sizes.image_size,
        "rank": sizes.bottleneck_dim,
        "adapter_parameters": count_parameters(network.adapters),
        "starts_as_identity": starts_as_identity,
        **{key: report[key] for key in (*kept, "adapter_share", "bundle_share")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    rows = []
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(prove(name, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    if options.json:
        result = {"weights": "random, seed 0", "version": __version__, "torch": torch.__version__, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

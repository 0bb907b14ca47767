"""The page of the bundle file, from a bundle with the default settings."""

import dataclasses
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lossless_ros.contract import load_contract
from lossless_ros.contract.size_limits import BUNDLE_LIMITS
from lossless_ros.models import legacy
from lossless_ros.models.bundle import FORMAT, FORMAT_VERSION, Bundle, save_bundle
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.training_statistics import PREFIX, TrainingStatistics
from scripts.docs.comments import field_comments, sentence
from scripts.docs.markdown import code, table, yaml_value

CONTRACT, MODE = "rgb_stacking", "adapters"
Shapes = dict[str, tuple[int, ...]]
METADATA = {  # what is not described in the code, or stored differently from there
    "format": f"`{FORMAT}`.",
    "format_version": f"`{FORMAT_VERSION}`. Older versions are read, newer ones are refused.",
    "task": "Task, suite/name.",
    "mode": "What was trained, see [modes](../explanation/training.md#modes).",
    "contract": "The [contract](contract-file.md) as JSON.",
    "network": "Sizes of the network as JSON, see [below](#network).",
    "provenance": "How it was trained, as JSON.",
    "dtype": "Of the trained tensors in the file, `float32` (also if not given) or `float16`.",
    "execution": "Which of the predicted actions are executed, see [action chunking]"
    "(../explanation/training.md#action-chunking). Without it `ensemble:-0.1`.",
    "content": "SHA-256 over all other metadata and all tensors; checked when the bundle is loaded.",
}
TENSORS = {  # name or first part of it -> meaning
    "mean": "Mean of the proprioception in the training data.",
    "std": "Standard deviation of the proprioception in the training data.",
    "adapters": "Bottom and middle adapters, by site in the backbone; with `kernel_size` above 1 also `depthwise`.",
    "top": "Top adapter: projection of the backbone's last feature, pooled.",
    "norm": "Normalization of the output of the top adapter.",
    "head": "Policy head.",
}
STATISTICS_INTRO = """`lossless train` also stores these, always as float32. A is the number of action components,
P that of proprioception values and F that of features: the outputs of the top for all cameras. The distance is the root
mean square of the standardized features. The seeds of the training episodes are in `provenance` under `data`, as ranges
per domain. Bundles without all this load, too."""
TENSORS_INTRO = f"""Those of mode `{MODE}` with the default settings and the contract `{CONTRACT}`. All tensors are
float32. With the setting `bundle_dtype: float16` all but `mean`, `std` and the statistics of BatchNorm are stored as
float16, and computed with as float32. Modes `full` and `scratch` have `trainable_backbone` tensors in place of
`adapters`."""
INTRO = f"""# Bundle file

`lossless train` writes a bundle: one task's policy without the backbone, as a
safetensors file. The backbone is named by its fingerprint.
A bundle has at most {BUNDLE_LIMITS.file >> 30} GB, with a header of at most {BUNDLE_LIMITS.header >> 20} MB. A file
that is larger, damaged, or changed while it is read is refused in one line.
`lossless info FILE` shows the metadata. In Python: `read_bundle` (metadata only) and `load_bundle` of
`lossless_ros.models.bundle`, and `load_policy` of `lossless_ros.models.policy`.

Bundles that come with the package are in `lossless_ros/bundles`. Commands, nodes and these functions take their names
(`triplet5`) instead of a path; a path that exists takes precedence. `lossless list bundles` lists them."""


def example(size: int) -> tuple[dict[str, str], Shapes]:
    """Return metadata and shapes of tensors of a bundle with the default settings.

    Its backbone is a stand-in, which needs no timm: it has one site, and `size` for all that depends on a backbone.
    """
    from safetensors import safe_open

    from lossless_ros.models.families import Site
    from lossless_ros.models.network import Network
    from lossless_ros.training.hyperparameters import MODES, load_hyperparameters

    backbone: Any = SimpleNamespace(sites=(Site("SITE", "bottom", size),), feature_channels=size)
    contract, settings = load_contract(CONTRACT), vars(load_hyperparameters("default"))
    given = {name: settings[name] for name in NetworkConfig.__dataclass_fields__ if name in settings}
    config = NetworkConfig(placements=MODES[MODE], **given | {"bottleneck_dim": size, "image_size": size})
    tensors = Network(config, backbone, contract).state_dict()
    bundle = Bundle("suite/name", MODE, contract, "name", "fingerprint", config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.safetensors"
        save_bundle(path, bundle, {"mean": tensors["mean"]})
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
    return metadata, {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def metadata_rows(metadata: dict[str, str]) -> list[tuple[str, str]]:
    """Return the rows of the metadata keys, in the order of the fields of `Bundle`.

    Raises:
        ValueError: a key has no description.
    """
    described = {name: sentence(text) for name, text in field_comments(Bundle).items()} | METADATA
    missing = sorted(set(metadata) - set(described))
    if missing:
        raise ValueError(f"describe {', '.join(missing)} in scripts/docs/bundle.py")
    order = ["format", "format_version", *(field.name for field in dataclasses.fields(Bundle)), "content"]
    return [(code(key), described[key]) for key in order if key in metadata]


def network_rows() -> list[tuple[str, str, str]]:
    """Return the rows of the network's sizes."""
    comments = field_comments(NetworkConfig)
    old = {new: name for name, new in legacy.NETWORK_KEYS.items()}
    return [
        (code(name), sentence(comments.get(name, "")), code(old.get(name, "")))
        for name in (field.name for field in dataclasses.fields(NetworkConfig))
    ]


def tensor_rows(small: Shapes, large: Shapes) -> list[tuple[str, str, str]]:
    """Return the rows of the tensors; a shape that differs between the two depends on the backbone.

    Raises:
        ValueError: a tensor has no description.
    """
    rows, left = [], dict(small)
    for prefix, meaning in TENSORS.items():
        for name in sorted(name for name in small if f"{name}.".startswith(f"{prefix}.")):
            shape = yaml_value(left.pop(name))
            rows.append((code(name), shape if small[name] == large[name] else "by backbone", meaning))
            meaning = ""  # once per group
    if left:
        raise ValueError(f"describe the tensors {', '.join(left)} in scripts/docs/bundle.py")
    return rows


def statistics_rows() -> list[tuple[str, str, str]]:
    """Return the rows of the statistics' tensors."""
    comments = field_comments(TrainingStatistics)
    rows = []
    for field in dataclasses.fields(TrainingStatistics):
        shape, _, meaning = comments[field.name].partition(" ")
        rows.append((code(f"{PREFIX}{field.name}"), shape, sentence(meaning)))
    return rows


def render() -> str:
    """Return the page."""
    metadata, small = example(8)
    _, large = example(16)
    return "\n\n".join(
        [
            INTRO,
            "## Metadata",
            table(("key", "value"), metadata_rows(metadata)),
            "## Network",
            "Keys of `network`. Bundles of format 1 have the old names and are read, too.",
            table(("key", "meaning", "old name"), network_rows()),
            "## Tensors",
            TENSORS_INTRO,
            table(("tensor", "shape", "meaning"), tensor_rows(small, large)),
            "## Statistics of the training data",
            STATISTICS_INTRO,
            table(("tensor", "shape", "meaning"), statistics_rows()),
        ]
    )

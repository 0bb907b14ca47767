"""The page of the bundle file, from a bundle with the default settings."""

import dataclasses
import tempfile
from pathlib import Path

from lossless_ros.contract import load_contract
from lossless_ros.models import legacy
from lossless_ros.models.bundle import FORMAT, FORMAT_VERSION, Bundle, save_bundle
from lossless_ros.models.network_config import NetworkConfig
from scripts.docs.comments import field_comments, sentence
from scripts.docs.markdown import code, table, yaml_value

BACKBONE, CONTRACT, MODE = "tf_efficientnet_lite0", "rgb_stacking", "adapters"
METADATA = {  # what is not described in the code, or stored differently from there
    "format": f"`{FORMAT}`.",
    "format_version": f"`{FORMAT_VERSION}`. Older versions are read, newer ones are refused.",
    "task": "Task, suite/name.",
    "mode": "What was trained, see [modes](../explanation/training.md#modes).",
    "contract": "The [contract](contract-file.md) as JSON.",
    "network": "Sizes of the network as JSON, see [below](#network).",
    "provenance": "How it was trained, as JSON.",
    "content": "SHA-256 over all other metadata and all tensors; checked when the bundle is loaded.",
}
TENSORS = (  # prefix of names, meaning
    ("mean", "Mean of the proprioception in the training data."),
    ("std", "Standard deviation of the proprioception in the training data."),
    ("adapters.", "Bottom and middle adapters; SITE is the place in the backbone that the adapter is for."),
    ("top.", "Top adapter: projection of the last feature and pooling."),
    ("norm.", "Normalization of the pooled feature."),
    ("head.", "Policy head."),
)
INTRO = """# Bundle file

`lossless train` writes a bundle: one task's policy without the backbone, as a
[safetensors](https://huggingface.co/docs/safetensors) file. The backbone is named by its fingerprint.
`lossless info FILE` shows the metadata. In Python: `read_bundle` (metadata only) and `load_bundle` of
`lossless_ros.models.bundle`, and `load_policy` of `lossless_ros.models.policy`."""


def example() -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Return metadata and shapes of tensors of a bundle with the default settings.

    No weights are needed: the network has shapes only, and a small tensor is saved in place of its own.
    """
    import torch
    from safetensors import safe_open

    from lossless_ros.models.backbones import Backbone
    from lossless_ros.models.families import find_family
    from lossless_ros.models.network import Network
    from lossless_ros.models.weights import create_model
    from lossless_ros.training.hyperparameters import load_hyperparameters, network_config

    contract = load_contract(CONTRACT)
    with torch.device("meta"):
        model = create_model(BACKBONE)
        backbone = Backbone(BACKBONE, find_family(BACKBONE, model), model, "none")
        config = network_config(load_hyperparameters("default"), MODE, backbone)
        tensors = Network(config, backbone, contract).state_dict()
    bundle = Bundle("suite/name", MODE, contract, BACKBONE, "", config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.safetensors"
        save_bundle(path, bundle, {"mean": torch.zeros(1)})
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


def tensor_rows(shapes: dict[str, tuple[int, ...]]) -> list[tuple[str, str, str]]:
    """Return the rows of the tensors; adapters are shown once for all their sites.

    Raises:
        ValueError: a tensor has no description.
    """
    rows = []
    for prefix, meaning in TENSORS:
        names = [name for name in shapes if name.startswith(prefix) and (prefix.endswith(".") or name == prefix)]
        shown: dict[str, list[tuple[int, ...]]] = {}
        for name in names:
            pattern = name
            if prefix == "adapters.":
                parts = name.split(".")
                pattern = ".".join([parts[0], "SITE", *parts[-2:]])
            shown.setdefault(pattern, []).append(shapes.pop(name))
        for pattern, found in sorted(shown.items()):
            shape = yaml_value(found[0]) if len(set(found)) == 1 else "by site"
            rows.append((code(pattern), shape, meaning))
            meaning = ""  # once per group
    if shapes:
        raise ValueError(f"describe the tensors {', '.join(shapes)} in scripts/docs/bundle.py")
    return rows


def render() -> str:
    """Return the page."""
    metadata, shapes = example()
    return "\n\n".join(
        [
            INTRO,
            "## Metadata",
            table(("key", "value"), metadata_rows(metadata)),
            "## Network",
            "Keys of `network`. Bundles of format 1 have the old names.",
            table(("key", "meaning", "old name"), network_rows()),
            "## Tensors",
            f"Shapes are those of the default settings: backbone `{BACKBONE}`, contract `{CONTRACT}`, mode `{MODE}`.\n"
            "All tensors are float32. Modes `full` and `scratch` have `trainable_backbone.` tensors in place of\n"
            "`adapters.`.",
            table(("tensor", "shape", "meaning"), tensor_rows(shapes)),
        ]
    )

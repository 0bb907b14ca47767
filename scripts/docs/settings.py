"""The page of training settings, from config/training and the checks of Hyperparameters."""

import dataclasses
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from lossless_ros.contract.config import load_yaml
from lossless_ros.paths import find_config
from lossless_ros.training.hyperparameters import RENAMED, Hyperparameters, load_hyperparameters
from scripts.docs.comments import sentence, yaml_comments
from scripts.docs.markdown import code, table, yaml_value

SHIPPED = ("stacking", "demo")
INTRO = """# Training settings

`--config` of `lossless train` and `lossless dagger` takes a name of `config/training/` or a YAML file with any of these
keys; what it does not list is as in `config/training/default.yaml`. In Python the same keys are the fields of
`lossless_ros.training.hyperparameters.Hyperparameters`. An unknown key, a value of the wrong type and a value that is
not allowed are errors. How to choose them: [Train a policy](../how-to/train-a-policy.md#settings).

The columns `stacking` and `demo` show what these two shipped files change. Keys of version 0.1.0 ("old name") still
load; a line reports the new name."""


def type_name(hint: Any) -> str:
    """Return a type in words."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(type_name(part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {type_name(get_args(hint)[0])}"
    return {int: "int", float: "float", bool: "bool", str: "str", type(None): "null"}[hint]


def allowed(name: str, hint: Any, default: Hyperparameters) -> str:
    """Return the values that a setting accepts in words, from the error for one that no number may have."""
    wrong: Any = (-1,) if get_origin(hint) is tuple else -1
    try:
        dataclasses.replace(default, **{name: wrong})
    except ValueError as error:
        return str(error).rpartition("expected ")[2]
    return ""


def render() -> str:
    """Return the page."""
    path = find_config("training", "default")
    defaults, comments, hints = load_yaml(path), yaml_comments(path), get_type_hints(Hyperparameters)
    fields = [field.name for field in dataclasses.fields(Hyperparameters)]
    if sorted(fields) != sorted(defaults):
        raise ValueError(f"{path.name} and Hyperparameters differ in {set(fields) ^ set(defaults)}")
    valid = load_hyperparameters("default")
    shipped = {name: load_yaml(find_config("training", name)) for name in SHIPPED}
    old = {new: name for name, new in RENAMED.items()}
    rows = [
        (
            code(name),
            type_name(hints[name]),
            code(yaml_value(value)),
            *(code(yaml_value(values[name])) if name in values else "" for values in shipped.values()),
            allowed(name, hints[name], valid),
            sentence(comments.get(name, "")),
            code(old.get(name, "")),
        )
        for name, value in defaults.items()
    ]
    head = ("key", "type", "default", *map(code, SHIPPED), "allowed", "description", "old name")
    return f"{INTRO}\n\n{table(head, rows)}"

"""YAML files that are odd or made to harm: one line each, whatever they hold."""

from pathlib import Path

import pytest

from lossless_ros.contract import load_contract
from lossless_ros.errors import LosslessError

BOMB = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))])
FILES = {
    "deep nesting": ("[" * 5000, "not readable as YAML"),
    "date that is none": ("name: 2001-99-99", "not readable as YAML"),
    "bytes that are no text": (b"\xff\xfe\xff", "not readable as YAML"),
    "references to references": (BOMB.replace("a11:", "name:"), "unknown key 'a0'"),
    "thousands of digits": ("rate_hz: 0x" + "f" * 5000, "missing key"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_is_one_line(tmp_path: Path, name: str) -> None:
    text, message = FILES[name]
    path = tmp_path / "contract.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LosslessError, match=message) as error:
        load_contract(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


VALUES = {
    "hexadecimal digits": ("rate_hz", "0x" + "f" * 5000, "is too large for a number"),
    "decimal digits": ("rate_hz", "1" + "0" * 400, "is too large for a number"),
    "references to references": (
        "name",
        "[&a0 [x], " + ", ".join(f"&a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)) + "]",
        "expected str, got ",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_value_is_one_line(tmp_path: Path, name: str) -> None:
    key, value, message = VALUES[name]
    values = {"name": "x", "rate_hz": "20.0", key: value}
    path = tmp_path / "contract.yaml"
    path.write_text(
        "".join(f"{k}: {v}\n" for k, v in values.items())
        + "cameras: []\nproprioception: []\naction: {frame_id: base, axes: [], gripper: {open: 0.0, closed: 1.0}}"
    )
    with pytest.raises(LosslessError, match=f"{key}: .*{message}") as error:
        load_contract(str(path))
    assert len(str(error.value)) < 1000

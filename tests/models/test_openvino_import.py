"""OpenVINO is used without its telemetry."""

import importlib.util
import subprocess
import sys

import pytest

CODE = """
import sys
from lossless_ros.models.runtimes.openvino_import import import_openvino
ov = import_openvino()
assert ov.Core().available_devices
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs OpenVINO")
def test_import_loads_no_telemetry():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

"""Select the torch device of a policy or a training run."""

import torch

from lossless_ros.errors import LosslessError


def find_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is the GPU if there is one, else the CPU.

    Raises:
        LosslessError: this machine has no such device, or torch cannot compute on it.
    """
    gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if gpu else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).add_(1)  # torch may see a GPU that it has no kernels for
    except (RuntimeError, AssertionError):
        raise LosslessError(f"no device '{name}' here; there is cpu{', cuda' if gpu else ''}") from None
    return device

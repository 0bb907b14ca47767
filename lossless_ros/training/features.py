"""Features that the frozen backbone gives without adapters, computed once: in a memory-mapped file, safe to delete."""

import hashlib
import os
import time

import numpy as np
import torch
from torch import Tensor

from lossless_ros.episodes.dataset import Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.models.adapters import TopAdapter
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import normalize, to_batch
from lossless_ros.paths import cache_dir
from lossless_ros.training import sampler as order
from lossless_ros.training.augment import BatchRng, augment
from lossless_ros.training.hyperparameters import Hyperparameters

_LAYOUT = 2  # changes when what is written changes
_CHUNK = 16  # frames per pass through the backbone; larger batches are no faster on a CPU


class Features:
    """Half-precision features (M, views, cameras, h, w, C) of the frames `at` (M,); view 0 is not augmented."""

    def __init__(self, values: np.ndarray, at: np.ndarray) -> None:
        self.values = values
        self.at = at

    def __len__(self) -> int:
        return len(self.at)

    def batch(self, indices: np.ndarray, part: np.ndarray, generator: torch.Generator) -> Tensor:
        """A random view of each of the frames at[indices][part] (B,): (cameras * B, C, h, w), cameras outermost."""
        views = torch.randint(0, self.values.shape[1], (len(indices),), generator=generator).numpy()
        chosen = torch.from_numpy(self.values[indices[part], views[part]])
        return chosen.transpose(0, 1).flatten(0, 1).float().permute(0, 3, 1, 2)


def compute_features(
    data: Dataset,
    frames: np.ndarray,
    network: Network,
    backbone: Backbone,
    config: Hyperparameters,
    device: torch.device,
    deadline: float,
) -> Features:
    """Features of every `feature_stride`-th of the data's `frames` (M,), from the cache if they are there.

    There are `feature_views` augmented views of each.

    Stops at `deadline` (time.monotonic, s) with the frames that are done by then, at least one chunk.

    Raises:
        LosslessError: the cache cannot be written.
    """
    at = np.random.default_rng(config.seed).permutation(frames)[:: config.cached_frame_stride]
    file = cache_dir() / "features" / f"{_key(data, network, backbone, config)}.npy"
    if file.is_file():
        return Features(np.load(file, mmap_mode="r"), at)
    part = file.with_name(f".{file.stem}.{os.getpid()}.npy")
    values: np.memmap | None = None
    done = 0
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        while done < len(at) and (done == 0 or time.monotonic() < deadline):
            chunk = at[done : done + _CHUNK]
            some = _views(data, chunk, network, backbone, config, device)
            if values is None:
                values = np.lib.format.open_memmap(part, "w+", np.float16, (len(at), *some.shape[1:]))
                with part.open("r+b") as file_part:  # writing into a map of a full disk would kill the process
                    os.posix_fallocate(file_part.fileno(), 0, part.stat().st_size)
            values[done : done + len(chunk)] = some
            done += len(chunk)
        assert values is not None
        values.flush()
        if done == len(at):
            part.rename(file)
        else:
            part.unlink()  # the mapping lives on until it is dropped
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LosslessError(f"cannot write the cache {file}: {error.strerror}; set XDG_CACHE_HOME") from None
    return Features(values, at[:done])


def _views(
    data: Dataset,
    chunk: np.ndarray,
    network: Network,
    backbone: Backbone,
    config: Hyperparameters,
    device: torch.device,
) -> np.ndarray:
    """Features (n, views, cameras, h, w, C) of the frames `chunk` (n,): as much as the network's top needs of them."""
    images = to_batch(data.batch(chunk).images, network.config.image_size, backbone.preprocessing, device)
    draws = BatchRng(len(images), np.arange(len(images)), order.generator(config.seed, int(chunk[0])))
    views = []
    with torch.inference_mode():
        for view in range(config.num_cached_views):
            seen = augment(images, config.random_shift, config.color_jitter, draws) if view else images
            features = backbone.spatial(backbone.features(normalize(seen, backbone.preprocessing)))
            features = network.top.reduce(features).permute(0, 2, 3, 1)  # convolutions want the channels innermost
            views.append(features.unflatten(0, (network.cameras, len(chunk))).transpose(0, 1).cpu())
    return torch.stack(views, 1).half().numpy()


def _key(data: Dataset, network: Network, backbone: Backbone, config: Hyperparameters) -> str:
    what = (
        *(_LAYOUT, data.key, backbone.fingerprint, network.config.image_size),
        *("top" if isinstance(network.top, TopAdapter) else "pool", network.config.top_grid),
        *(
            config.num_cached_views,
            config.cached_frame_stride,
            config.noop_threshold,
            config.random_shift,
            config.color_jitter,
            config.seed,
        ),
    )
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]

"""Features of the frozen backbone without adapters, computed once and memory-mapped from the cache; safe to delete."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lossless_ros.episodes.dataset import Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.files import temporary_path
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import normalize, to_batch
from lossless_ros.paths import cache_dir
from lossless_ros.training import sampler
from lossless_ros.training.augment import BatchRng, augment
from lossless_ros.training.hyperparameters import Hyperparameters

_LAYOUT = 3  # increase it when the content of the files changes
_CHUNK = 16  # frames per pass through the backbone; larger batches are no faster on a CPU


@dataclass(frozen=True)
class Features:
    """Cached features of some frames.

    Attributes:
        values: records (M, views) with a field per map, half precision (cameras, h, w, C); view 0 is not augmented.
        frames: indices of the frames in their dataset (M,).
    """

    values: np.ndarray
    frames: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def sample(self, indices: np.ndarray, local: np.ndarray, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return a random view of each of the frames `indices[local]`.

        Args:
            indices: positions in `frames` of the whole batch (B,); all of them draw from `generator`.
            local: positions in `indices` that are returned (L,).
            generator: chooses the views.

        Returns:
            maps (cameras * L, C, h, w), cameras outermost.
        """
        views = torch.randint(0, self.values.shape[1], (len(indices),), generator=generator).numpy()
        chosen = self.values[indices[local], views[local]]
        maps = [torch.from_numpy(chosen[name]) for name in chosen.dtype.names]
        return tuple(values.transpose(0, 1).flatten(0, 1).float().permute(0, 3, 1, 2) for values in maps)


@dataclass(frozen=True)
class FeatureCache:
    """Features of a dataset, as far as the network's top needs them.

    Attributes:
        data: the frames.
        network: its image size and top count.
        backbone: computes the features, on `device`.
        config: number of views, frame stride, augmentation and seed.
        device: of the backbone.
    """

    data: Dataset
    network: Network
    backbone: Backbone
    config: Hyperparameters
    device: torch.device

    def load(self, frames: np.ndarray, deadline: float) -> Features:
        """Return the features of every `cached_frame_stride`-th of `frames` (M,), in random order.

        What is not in the cache is computed. At `deadline` (time.monotonic, [s]) it stops with the frames that are
        done by then, at least one chunk.

        Raises:
            LosslessError: the cache cannot be written.
        """
        order = np.random.default_rng(self.config.seed).permutation(frames)[:: self.config.cached_frame_stride]
        file = cache_dir() / "features" / f"{self._key()}.npy"
        if file.is_file():
            return Features(np.load(file, mmap_mode="r"), order)
        part = temporary_path(file)
        try:
            values, done = self._compute(order, deadline, part)
            if done == len(order):
                part.rename(file)
            else:
                part.unlink()  # the mapping stays valid until it is released
        except OSError as error:
            part.unlink(missing_ok=True)
            raise LosslessError(f"cannot write the cache {file}: {error.strerror}; set XDG_CACHE_HOME") from None
        return Features(values, order[:done])

    def _compute(self, order: np.ndarray, deadline: float, path: Path) -> tuple[np.ndarray, int]:
        """Return a map of the file at `path`, with a row for each frame, and the number of rows that are filled."""
        path.parent.mkdir(parents=True, exist_ok=True)
        values: np.memmap | None = None
        done = 0
        while done < len(order) and (done == 0 or time.monotonic() < deadline):
            chunk = self._views(order[done : done + _CHUNK])
            if values is None:
                values = np.lib.format.open_memmap(path, "w+", chunk.dtype, (len(order), *chunk.shape[1:]))
                with path.open("r+b") as file:  # writing to a map on a full disk would kill the process
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            values[done : done + len(chunk)] = chunk
            done += len(chunk)
        assert values is not None
        values.flush()
        return values, done

    def _views(self, frames: np.ndarray) -> np.ndarray:
        """Return features of the frames (n,) as records (n, views), see `Features`."""
        config, network, backbone = self.config, self.network, self.backbone
        images = to_batch(
            self.data.batch(frames).images, network.config.image_size, backbone.preprocessing, self.device
        )
        rng = BatchRng(len(images), np.arange(len(images)), sampler.step_generator(config.seed, int(frames[0])))
        views: list[list[np.ndarray]] = []
        with torch.inference_mode():
            for view in range(config.num_cached_views):
                augmented = augment(images, config.random_shift, config.color_jitter, rng) if view else images
                maps = network.reduce(backbone.maps(normalize(augmented, backbone.preprocessing), network.taps))
                channels_last = [values.permute(0, 2, 3, 1) for values in maps]  # as convolutions expect them
                per_frame = [m.unflatten(0, (network.cameras, len(frames))).transpose(0, 1) for m in channels_last]
                views.append([values.half().cpu().numpy() for values in per_frame])
        fields = [(name, np.float16, values.shape[1:]) for name, values in zip(self._names, views[0], strict=True)]
        records = np.empty((len(frames), len(views)), fields)
        for view, arrays in enumerate(views):
            for name, values in zip(self._names, arrays, strict=True):
                records[name][:, view] = values
        return records

    @property
    def _names(self) -> tuple[str, ...]:
        """The names of the maps."""
        return self.network.taps or ("last",)

    def _key(self) -> str:
        """Return the hash of everything that the features depend on."""
        config, network = self.config, self.network
        parts = (
            _LAYOUT,
            self.data.key,
            self.backbone.fingerprint,
            network.config.image_size,
            type(network.top).__name__,
            self._names,
            network.config.top_grid,
            config.num_cached_views,
            config.cached_frame_stride,
            config.noop_threshold,
            config.random_shift,
            config.color_jitter,
            config.seed,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

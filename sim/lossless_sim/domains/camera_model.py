"""Camera model: lens distortion, blur, exposure, white balance, gamma, sensor noise and JPEG compression."""

import numpy as np

from lossless_sim.domains.sample import DomainSample


def apply_camera_model(image: np.ndarray, camera: int, sample: DomainSample, rng: np.random.Generator) -> np.ndarray:
    """Return the image (H, W, 3) uint8 as the camera of that index would deliver it.

    Sections that the domain does not randomize are skipped, so the nominal sample returns `image` itself.

    Args:
        image: rendered image (H, W, 3) uint8.
        camera: index into the cell's cameras.
        sample: parameters of the episode.
        rng: source of the sensor noise.
    """
    if "cameras" in sample.drawn:
        image = _distort(image, float(sample.cameras.distortion[camera]))
    if "image" not in sample.drawn:
        return image
    p = sample.image
    image = _blur(image, float(p.blur[camera]))
    image = _adjust_tone(image, float(p.exposure[camera]), p.white_balance, float(p.gamma[0]))
    if p.noise[0] > 0:
        noisy = image + sensor_noise(image.shape, sample, rng).astype(np.float32)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    return _compress(image, float(p.jpeg_loss[0]))


def sensor_noise(shape: tuple[int, ...], sample: DomainSample, rng: np.random.Generator) -> np.ndarray:
    """Return what `apply_camera_model` draws from `rng` for an image of that shape; nothing is drawn without noise."""
    level = float(sample.image.noise[0])
    return rng.normal(0.0, level, shape) if level > 0 else np.zeros(shape)


def _distort(image: np.ndarray, radial: float) -> np.ndarray:
    """Apply radial lens distortion, scaled so that no empty border is visible."""
    if radial == 0.0:
        return image
    import cv2

    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    half = np.float32((height - 1) / 2)
    u, v = (x - (width - 1) / 2) / half, (y - half) / half
    stretch = 1 + radial * (u**2 + v**2)
    stretch /= max(1.0, 1 + 2 * radial)
    map_x, map_y = u * stretch * half + (width - 1) / 2, v * stretch * half + half
    return cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Apply a Gaussian blur of `sigma` [pixels]."""
    if sigma < 0.05:
        return image
    import cv2

    return cv2.GaussianBlur(image, (0, 0), sigma)


def _adjust_tone(image: np.ndarray, exposure: float, white_balance: np.ndarray, gamma: float) -> np.ndarray:
    """Apply exposure [EV], white balance (2,) (factors of red and blue) and gamma by look-up tables."""
    levels = np.arange(256) / 255.0
    gains = 2.0**exposure * np.array([white_balance[0], 1.0, white_balance[1]])
    tables = np.clip(255 * np.clip(levels[:, None] * gains, 0, 1) ** gamma + 0.5, 0, 255).astype(np.uint8)
    return np.stack([tables[image[..., channel], channel] for channel in range(3)], axis=-1)


def _compress(image: np.ndarray, loss: float) -> np.ndarray:
    """Encode and decode the image as JPEG of quality 100 - loss."""
    if loss <= 0:
        return image
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(100 - loss)])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])

"""What a real camera does to an image: lens, exposure, colour, noise, compression."""

import numpy as np

from lossless_sim.domains.domain import Draw, values


def spoil(image: np.ndarray, camera: int, draw: Draw, rng: np.random.Generator) -> np.ndarray:
    """The image (H, W, 3) uint8 as drawn for that camera; the nominal draw returns it as it is.

    Args:
        camera: index into the cell's cameras.
        rng: of the pixels' noise.
    """
    if "cameras" in draw:
        image = _distort(image, float(values(draw, "cameras")["distortion"][camera]))
    if "image" not in draw:
        return image
    v = values(draw, "image")
    image = _blur(image, float(v["blur"][camera]))
    image = _tone(image, float(v["exposure"][camera]), v["white_balance"], float(v["gamma"][0]))
    if v["noise"][0] > 0:
        noisy = image + rng.normal(0.0, v["noise"][0], image.shape).astype(np.float32)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    return _compress(image, float(v["jpeg_loss"][0]))


def _distort(image: np.ndarray, radial: float) -> np.ndarray:
    """Radial lens distortion, scaled so that no empty border shows."""
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
    if sigma < 0.05:
        return image
    import cv2

    return cv2.GaussianBlur(image, (0, 0), sigma)


def _tone(image: np.ndarray, exposure: float, balance: np.ndarray, gamma: float) -> np.ndarray:
    """Exposure [EV], factors of red and blue, gamma; by look-up tables."""
    levels = np.arange(256) / 255.0
    gains = 2.0**exposure * np.array([balance[0], 1.0, balance[1]])
    tables = np.clip(255 * np.clip(levels[:, None] * gains, 0, 1) ** gamma + 0.5, 0, 255).astype(np.uint8)
    return np.stack([tables[image[..., channel], channel] for channel in range(3)], axis=-1)


def _compress(image: np.ndarray, loss: float) -> np.ndarray:
    """JPEG there and back with quality 100 - loss."""
    if loss <= 0:
        return image
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(100 - loss)])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])

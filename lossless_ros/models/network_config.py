"""Sizes of a policy's trainable part; no torch, so that a bundle can be described quickly."""

from dataclasses import dataclass

PLACEMENTS = ("bottom", "middle", "top")
PRETRAINED, RANDOM = "pretrained", "random"  # how a policy's own backbone began


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the shapes; a bundle carries it."""

    placements: tuple[str, ...]  # where there are adapters: any of bottom, middle, top
    bottleneck_dim: int  # width of bottom and middle adapters
    kernel_size: int  # of their depthwise convolution [px], odd; 1 for none
    image_size: int  # images are resized to this square [px]
    top_size: int  # numbers that the top gives per camera, about
    top_grid: int  # its cells along height and width
    hidden_dims: tuple[int, ...]  # widths of the head's hidden layers
    chunk_size: int = 1  # instants for which a frame predicts actions: its own and the next ones
    num_modes: int = 0  # Gaussians of the velocities; 0: a point
    trainable_backbone: str = ""  # a copy of the backbone that learns: pretrained or random at first; "": none

    def __post_init__(self) -> None:
        wrong = [p for p in self.placements if p not in PLACEMENTS]
        if wrong:
            raise ValueError(f"placement is '{wrong[0]}', expected one of {', '.join(PLACEMENTS)}")
        if self.trainable_backbone not in ("", PRETRAINED, RANDOM):
            raise ValueError(
                f"trainable_backbone is '{self.trainable_backbone}', expected {PRETRAINED}, {RANDOM} or nothing"
            )
        if self.chunk_size < 1 or self.num_modes < 0:
            raise ValueError(f"chunk is {self.chunk_size} and mixture {self.num_modes}, expected at least 1 and 0")
        sizes = (
            self.bottleneck_dim,
            self.kernel_size,
            self.image_size,
            self.top_size,
            self.top_grid,
            *self.hidden_dims,
        )
        if min(sizes) < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"sizes are {sizes}, expected at least 1 each and an odd kernel")

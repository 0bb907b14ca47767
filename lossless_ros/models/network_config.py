"""Sizes of a policy's trainable part; no torch, so that a bundle can be described quickly."""

from dataclasses import dataclass

PLACEMENTS = ("bottom", "middle", "top")
PRETRAINED, RANDOM = "pretrained", "random"  # how a policy's own backbone began


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the shapes; a bundle carries it."""

    placements: tuple[str, ...]  # where there are adapters: any of bottom, middle, top
    rank: int  # width of bottom and middle adapters
    kernel: int  # of their depthwise convolution [px], odd; 1 for none
    image_size: int  # images are resized to this square [px]
    top_size: int  # numbers that the top gives per camera, about
    top_grid: int  # its cells along height and width
    hidden: tuple[int, ...]  # widths of the head's hidden layers
    chunk: int = 1  # instants for which a frame predicts actions: its own and the next ones
    mixture: int = 0  # Gaussians of the velocities; 0: a point
    own_backbone: str = ""  # a copy of the backbone that learns: pretrained or random at first; "": none

    def __post_init__(self) -> None:
        wrong = [p for p in self.placements if p not in PLACEMENTS]
        if wrong:
            raise ValueError(f"placement is '{wrong[0]}', expected one of {', '.join(PLACEMENTS)}")
        if self.own_backbone not in ("", PRETRAINED, RANDOM):
            raise ValueError(f"own_backbone is '{self.own_backbone}', expected {PRETRAINED}, {RANDOM} or nothing")
        if self.chunk < 1 or self.mixture < 0:
            raise ValueError(f"chunk is {self.chunk} and mixture {self.mixture}, expected at least 1 and 0")
        sizes = (self.rank, self.kernel, self.image_size, self.top_size, self.top_grid, *self.hidden)
        if min(sizes) < 1 or self.kernel % 2 == 0:
            raise ValueError(f"sizes are {sizes}, expected at least 1 each and an odd kernel")

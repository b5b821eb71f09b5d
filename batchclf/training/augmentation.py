"""Change training images a little at random, so that the network cannot learn single pixels by heart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batchclf.errors import UsageError

SHIFT = 1 / 14
"""How far images are moved at most, as a share of each side: 2 pixels of 28."""

ERASED = (0.15, 0.4)
"""Sides of the rectangle that is made black, as shares of the image's: at least and at most."""

KINDS = {
    "flip": "mirror every second image, left to right; not for letters and digits",
    "shift": f"move images by up to 1/{round(1 / SHIFT)} of their sides, black comes in",
    "erase": "make a rectangle of every second image black (random erasing)",
}

_OTHER_DRAW = 7919  # primes far apart, so that seeds next to each other share no numbers
_OTHER_MEMBER = 15485863


@dataclass(frozen=True)
class Augmentation:
    """The kinds of change, in the order of `KINDS`; none leaves images as they are.

    `of_members` has those of each ensemble member of a model, and begins again where there are more members.
    """

    of_members: tuple[tuple[str, ...], ...] = ((),)

    def kinds(self, member: int) -> tuple[str, ...]:
        """Give the kinds for an ensemble member, counted from 0."""
        return self.of_members[member % len(self.of_members)]

    def all_have(self, kind: str) -> bool:
        """Whether the images of each member are changed so."""
        return all(kind in kinds for kinds in self.of_members)

    def __str__(self) -> str:
        """As `--augment` takes it: `flip,shift`, `none`, or `flip,shift/flip,erase` for two ensemble members."""
        return "/".join(",".join(kinds) or "none" for kinds in self.of_members)


def parse_augmentation(text: str) -> Augmentation:
    """Read `flip,shift`, `none`, or some of these with slashes between them. Raises UsageError for another kind."""
    return Augmentation(tuple(_parse_kinds(each) for each in text.split("/")))


def _parse_kinds(text: str) -> tuple[str, ...]:
    kinds = [] if text.strip() == "none" else [each.strip() for each in text.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(
                f"there is no augmentation '{kind}'",
                hint=f"choose some of {', '.join(KINDS)} with commas between them, or none",
            )
    return tuple(kind for kind in KINDS if kind in kinds)


def augment(images: Any, augmentation: Augmentation, seed: int, step: Any, member: int) -> Any:
    """Change a batch, (n, height, width, channels) uint8, for a member, inside a graph of TensorFlow.

    What happens follows from `seed`, the number of the training `step` (a tensor), the member and the place in the
    batch alone, so a training that is gone on with after an interruption sees the same images.
    """
    import tensorflow as tf

    for number, kind in enumerate(KINDS):
        if kind in augmentation.kinds(member):
            first = seed * len(KINDS) + number + member * _OTHER_MEMBER
            seeds = tf.stack([tf.constant(first, tf.int64), tf.cast(step, tf.int64)])

            def draw(
                count: int, low: float = 0.0, high: float = 1.0, *, of: int = 0, seeds: Any = seeds, tf: Any = tf
            ) -> Any:
                """Draw (n,) float32 numbers from [low, high); `of` tells apart draws of the same kind."""
                these = seeds + tf.constant([of * _OTHER_DRAW, 0], tf.int64)
                # Stateless: the numbers follow from seed, step and place, so there is no state to keep (decision 119)
                return tf.random.stateless_uniform((count,), these, low, high)

            images = _CHANGES[kind](images, draw, tf.shape(images)[0])
    return images


Draw = Callable[..., Any]


def _flip(images: Any, draw: Draw, count: Any) -> Any:
    import tensorflow as tf

    return tf.where(draw(count)[:, None, None, None] < 0.5, images[:, :, ::-1], images)


def _shift(images: Any, draw: Draw, count: Any) -> Any:
    import tensorflow as tf

    for axis in (1, 2):
        side = images.shape[axis]
        most = max(1, round(SHIFT * side))
        by = tf.cast(tf.floor(draw(count, 0, 2 * most + 1, of=axis)), tf.int32)
        margins = [[most, most] if each == axis else [0, 0] for each in range(4)]
        images = tf.gather(tf.pad(images, margins), by[:, None] + tf.range(side)[None], axis=axis, batch_dims=1)
    return images


def _erase(images: Any, draw: Draw, count: Any) -> Any:
    import tensorflow as tf

    inside = (draw(count) < 0.5)[:, None, None]
    for axis in (1, 2):
        side = images.shape[axis]
        length = draw(count, *(share * side for share in ERASED), of=axis)
        start = draw(count, of=axis + 2) * (side - length)
        place = tf.range(side, dtype=tf.float32)[None]
        along = (place >= start[:, None]) & (place < (start + length)[:, None])
        inside = inside & (along[:, :, None] if axis == 1 else along[:, None, :])
    return tf.where(inside[..., None], tf.zeros((), images.dtype), images)


_CHANGES = {"flip": _flip, "shift": _shift, "erase": _erase}

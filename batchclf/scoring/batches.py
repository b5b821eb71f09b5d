"""How many images go together: to the model at a time, and through the stream as one block."""

BATCH_VALUES = 2**20
"""Values (height x width x channels) that a batch holds by default: 16 images of 224x224 in colour.

Measured on 2 cores: a MobileNetV2 scores 16 images at a time as fast as 64 (0.3 and 0.9 GB of memory), a small
convolutional network 128 of 28x28 faster than 256.
"""

BLOCK_VALUES = 2**23
"""Values that a block holds at most, if it is larger than a batch; a few blocks are in memory at a time."""


def default_batch_size(input_shape: tuple[int, int, int]) -> int:
    """Choose the images a batch from (height, width, channels): 16 to 128."""
    height, width, channels = input_shape
    return max(16, min(128, BATCH_VALUES // (height * width * channels)))


def files_per_block(batch_size: int, input_shape: tuple[int, int, int]) -> int:
    """Choose the files a block: a whole number of batches, and up to 1,024 where the images are small.

    Each block is decoded, scored and written as one, and small images would spend their time on that.
    """
    height, width, channels = input_shape
    most = min(1024, BLOCK_VALUES // (height * width * channels))
    return batch_size * max(1, most // batch_size)


def files_per_part(block: int) -> int:
    """Choose the files that a worker decodes between two hand-overs: a quarter of the block, 8 to 128."""
    return max(8, min(128, block // 4))

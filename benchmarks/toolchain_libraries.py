"""What the libraries themselves make of image files: run by `toolchains.py` in an environment that has them.

python toolchain_libraries.py CASES.json FILES.json OUT.npz: CASES are [profile, height, width, options], FILES paths.
OUT has an array (files, height, width, 3) float32 of levels, 0 to 255, for each case, by its number; and the versions.
"""

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Read = Callable[[str], np.ndarray]


def levels(values: Any) -> np.ndarray:
    """Make (height, width, 3) levels of a (3, height, width) tensor of 0 to 1."""
    return (np.asarray(values) * 255).transpose(1, 2, 0).astype(np.float32)


def torchvision(size: tuple[int, int], shorter: int = 256, kernel: str = "bilinear") -> Read:
    """`ImageFolder`'s loader, Resize, CenterCrop, ToTensor."""
    from torchvision import transforms
    from torchvision.datasets.folder import default_loader

    mode = transforms.InterpolationMode(kernel)
    steps = transforms.Compose([transforms.Resize(shorter, mode), transforms.CenterCrop(size), transforms.ToTensor()])
    return lambda path: levels(steps(default_loader(path)))


def timm(size: tuple[int, int], shorter: int | None = None, kernel: str = "bilinear") -> Read:
    """`create_transform` for evaluation."""
    from PIL import Image
    from timm.data import create_transform

    crop = {} if shorter is None else {"crop_pct": size[0] / shorter}
    steps = create_transform((3, *size), is_training=False, interpolation=kernel, mean=(0, 0, 0), std=(1, 1, 1), **crop)
    return lambda path: levels(steps(Image.open(path).convert("RGB")))


def huggingface(processor: str, size: tuple[int, int], shorter: int | None = None, kernel: str | None = None) -> Read:
    """The image processor of an architecture on what `load_image` gives."""
    import transformers
    from transformers.image_utils import load_image

    height, width = size
    plain = {"height": height, "width": width}
    name, options = {
        "vit": ("ViTImageProcessor", {"size": plain}),
        "swin": ("ViTImageProcessor", {"size": plain}),
        "deit": (
            "DeiTImageProcessor",
            {"size": {"height": shorter or 256, "width": shorter or 256}, "crop_size": plain},
        ),
        "convnext": ("ConvNextImageProcessor", {"size": {"shortest_edge": height}}),
        "efficientnet": ("EfficientNetImageProcessor", {"size": plain}),
    }[processor]
    if kernel is not None:
        options["resample"] = ["nearest", "lanczos", "bilinear", "bicubic"].index(kernel)
    made = getattr(transformers, name)(image_mean=[0, 0, 0], image_std=[1, 1, 1], **options)
    return lambda path: levels(made(load_image(path), return_tensors="pt")["pixel_values"][0])


def ultralytics(size: tuple[int, int], shorter: int | None = None, kernel: str = "bilinear") -> Read:
    """`classify_transforms` on what OpenCV reads, as its loader does for a path."""
    import cv2
    from PIL import Image
    from ultralytics.data.augment import classify_transforms

    steps = classify_transforms(size[0] if size[0] == size[1] else size, (0, 0, 0), (1, 1, 1), kernel.upper())
    return lambda path: levels(steps(Image.fromarray(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB))))


def keras(size: tuple[int, int], shorter: None = None, kernel: str = "bilinear") -> Read:
    """`image_dataset_from_directory`, a file at a time."""
    import shutil
    import tempfile

    from keras.utils import image_dataset_from_directory

    def read(path: str) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, folder)
            images = image_dataset_from_directory(
                folder, labels=None, shuffle=False, image_size=size, interpolation=kernel, verbose=False
            )
            return next(iter(images))[0].numpy()

    return read


def keras_load_img(size: tuple[int, int], shorter: None = None, kernel: str = "nearest") -> Read:
    """`load_img`."""
    from keras.utils import img_to_array, load_img

    return lambda path: img_to_array(load_img(path, target_size=size, interpolation=kernel))


READERS = {
    "torchvision": torchvision,
    "timm": timm,
    "ultralytics": ultralytics,
    "keras": keras,
    "keras-load-img": keras_load_img,
}
LIBRARIES = ("torch", "torchvision", "timm", "transformers", "ultralytics", "keras", "tensorflow", "pillow")


def main(cases: Path, files: Path, out: Path) -> None:
    """Read all files in every case."""
    arrays: dict[str, Any] = {}
    paths = json.loads(files.read_text())
    for number, (like, height, width, options) in enumerate(json.loads(cases.read_text())):
        library, _, processor = like.partition(":")
        arguments = ((processor,) if processor else ()) + ((height, width),)
        read = (huggingface if processor else READERS[library])(*arguments, **options)
        arrays[str(number)] = np.stack([read(path) for path in paths])
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    np.savez(out, versions=json.dumps(found), **arrays)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

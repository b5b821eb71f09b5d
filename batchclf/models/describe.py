"""The facts about a bundle that `model show` prints."""

from collections.abc import Sequence
from typing import Any

import msgspec

from batchclf.core.text import counted, decimal, scientific
from batchclf.models.bundle import ONE_IMAGE, ROW_SUMS, SAME_ANSWER, Bundle, BundleInfo

SHOWN_CLASSES = 20
_ELSEWHERE = {ROW_SUMS, SAME_ANSWER, ONE_IMAGE}
"""Settings that have a line of their own."""


def as_dict(bundle: Bundle) -> dict[str, Any]:
    """Give what model.json holds, with the bundle's paths, its digest and the bytes of each file."""
    info: dict[str, Any] = msgspec.to_builtins(bundle.info)
    original = bundle.original_path
    return {
        **info,
        "bundle": str(bundle.path.resolve()),
        "digest": bundle.digest,
        "onnx_path": str(bundle.onnx_path.resolve()) if bundle.has_graph else None,
        "original_path": None if original is None else str(original.resolve()),
        "sizes": _sizes(bundle),
    }


def as_lines(bundle: Bundle, runtimes: Sequence[str]) -> list[str]:
    """Give a table for a person: one fact a line, then the files. `runtimes` are the names of what can run it."""
    info = bundle.info
    height, width, channels = info.input_shape
    names = ", ".join(info.class_names[:SHOWN_CLASSES])
    if len(info.class_names) > SHOWN_CLASSES:
        names += f" and {len(info.class_names) - SHOWN_CLASSES} more"
    data = info.training_data
    facts = {
        "bundle": str(bundle.path),
        "classes": f"{len(info.class_names)}: {names}",
        "input": f"{height}x{width} pixels, {info.color_mode} ({channels} channel{'s' if channels > 1 else ''})",
        "geometry": info.geometry.sentence(info.input_shape[:2]),
        "preprocessing": info.preprocessing.sentence,
        "model gives": _answer(info),
        "temperature": _temperature(info),
        "recipe": info.recipe,
        "batch size": f"{info.batch_size}: {info.settings.get(ONE_IMAGE, '')}" if info.batch_size else "",
        "settings": ", ".join(f"{key} {value}" for key, value in info.settings.items() if key not in _ELSEWHERE)
        or "none",
        "parameters": f"{info.parameters:,}",
        "training data": "not known" if data is None else f"{data.name}, {counted(data.images, 'image')}",
        "data digest": "" if data is None else data.fingerprint,
        "created": info.created,
        "made with": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
        "check": _check(info) if bundle.has_graph else "",
        "runtimes": ", ".join(runtimes),
    }
    width = max(map(len, facts))
    lines = [f"{term:{width}}  {value}" for term, value in facts.items() if value]
    sizes = _sizes(bundle)
    width = max(map(len, sizes))
    lines.append("files, with bytes and SHA-256:")
    return lines + [f"  {name:{width}}  {size:>13,}  {info.files[name]}" for name, size in sizes.items()]


def _answer(info: BundleInfo) -> str:
    sums = info.settings.get(ROW_SUMS)
    return f"{info.preprocessing.output}; those of an image add up to {sums}" if sums else info.preprocessing.output


def _check(info: BundleInfo) -> str:
    if SAME_ANSWER in info.settings:
        return "it shows nothing, since the model gave the same answer for all sample images"
    return f"the graph and the model it was made of agree within {scientific(info.onnx_difference)}"


def _temperature(info: BundleInfo) -> str:
    """Say what logits are divided by, and what that did to the validation images; empty where there is none."""
    if info.preprocessing.temperature == 1:
        return ""
    text = f"logits are divided by {decimal(info.preprocessing.temperature)}"
    fitted = None if info.training is None else info.training.temperature
    if fitted is None:
        return text
    (loss, loss_with), (ece, ece_with) = map(decimal, fitted.log_loss), map(decimal, fitted.ece)
    return (
        f"{text}, fitted to {counted(fitted.images, 'validation image')}: log loss {loss} without it and "
        f"{loss_with} with it, ECE {ece} and {ece_with}"
    )


def _sizes(bundle: Bundle) -> dict[str, int]:
    return {name: (bundle.path / name).stat().st_size for name in bundle.info.files}

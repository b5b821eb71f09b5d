#!/usr/bin/env bash
# transformers 5.24.0 with torch 2.14.1, on CPython 3.11.
#
# Guess: `pipeline("image-classification")(image, top_k=None)` gives all classes, as the text-classification pipeline of
# the same library does, for which None means "no top_k".
# Seen: it gives the best five. `_sanitize_parameters` passes None on as if nothing had been asked for, and `postprocess`
# has 5 as its default. No error and no warning; of 10 classes about half of the probability is missing, and classes that
# are never among the best five never occur, so a table filled up with zeros looks whole. `top_k=NUMBER_OF_CLASSES`
# gives all, and a larger number is cut to it.
# For batchclf: docs/python.md asks for `top_k=len(names)`. Probabilities that do not sum to 1 are refused, in tables and
# in Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip="$folder/env/bin/pip install --quiet --disable-pip-version-check"
# torch brings gigabytes of CUDA, without which this build of it cannot be imported.
$pip torch==2.14.1
$pip --no-deps torchvision==0.29.1 transformers==5.24.0
$pip numpy==2.4.6 pillow==13.0.0 sympy networkx jinja2 fsspec filelock typing_extensions pyyaml regex tqdm requests \
    packaging tokenizers safetensors huggingface_hub psutil mpmath
cat > "$folder/seen.py" <<'PYTHON'
import numpy as np
import transformers
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor, pipeline

assert transformers.__version__ == "5.24.0"
sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
config = ViTConfig(image_size=16, patch_size=8, num_labels=10, **sizes)
processor = ViTImageProcessor(size={"height": 16, "width": 16})
classify = pipeline("image-classification", model=ViTForImageClassification(config).eval(), image_processor=processor)
picture = Image.fromarray(np.zeros((16, 16, 3), np.uint8))
for asked, expected in ((None, 5), (10, 10), (99, 10), (3, 3)):
    answers = classify(picture, top_k=asked)
    total = sum(each["score"] for each in answers)
    print(f"top_k={asked}: {len(answers)} of 10 classes, probabilities add up to {total:.3f}")
    assert len(answers) == expected
    assert (abs(total - 1) < 1e-4) == (expected == 10)
PYTHON
HF_HUB_OFFLINE=1 "$folder/env/bin/python" "$folder/seen.py"

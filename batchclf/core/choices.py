"""The values that options choose from; light, since the command line's parser reads them."""

from collections.abc import Mapping
from typing import Literal

ColorMode = Literal["grayscale", "rgb"]
ResizeMode = Literal["fast", "exact"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
Store = Literal["auto", "memory", "disk"]
ChannelOrder = Literal["rgb", "bgr"]
Scale = Literal["none", "0..1", "minus1..1"]
AskedLayout = Literal["channels-last", "channels-first"]
AskedOutput = Literal["auto", "logits", "probabilities"]
ClassWeights = Literal["none", "balanced"]
Schedule = Literal["constant", "cosine"]
"""The learning rate over the steps: as it is, or up to it over a fifth of them and down to 0 along a cosine."""

Format = Literal["csv", "jsonl", "parquet"]
FORMAT_WORDS: Mapping[Format, str] = {"csv": "CSV", "jsonl": "JSON lines", "parquet": "Parquet"}
"""The forms of the predictions, each the file `predictions.NAME`, and what they are called."""

ShardFormat = Literal["tar", "parquet"]
DatasetName = Literal["fashion-mnist", "digits"]
EngineName = Literal["local", "ray"]
"""What spreads the scoring: the processes of this machine, or a cluster of Ray."""

SplitName = Literal["test", "train"]
ReportFormat = Literal["html", "json", "md", "github", "model-index", "dvc"]
REPORT_ENDINGS: dict[ReportFormat, str] = {
    "html": ".html",
    "md": ".md",
    "github": ".github.md",
    "json": ".json",
    "model-index": ".model-index.md",
    "dvc": ".dvc.json",
}
"""How the name of each one's file ends, the best to read first."""

"""`--device`: what is asked of the libraries, and no run on another device than the one it names.

No GPU is needed: a stand-in for ONNX Runtime lists CUDA, notes what it is asked for and computes on the CPU.
"""

import json
import os
import sys

import pytest
from PIL import Image

from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.score.score_cache import computed_with
from batchclf.models.bundle import load_bundle
from batchclf.storage.run.directory import read_record

STAND_IN = """
import json, os, sys

folder = os.path.dirname(__file__)
sys.path.remove(folder)
del sys.modules["onnxruntime"]
import onnxruntime as real  # takes this module's place

real.cuda_version = "13.0"  # for preload_dlls, which looks for its libraries, finds none here and prints that
real.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]


class Session(real.InferenceSession):
    def __init__(self, path, options, providers, **more):
        deterministic = options.use_deterministic_compute
        with open(os.environ["ASKED"], "a") as file:
            file.write(json.dumps({"providers": providers, "deterministic": deterministic}) + "\\n")
        super().__init__(path, options, providers=["CPUExecutionProvider"], **more)
        self.has = [each if isinstance(each, str) else each[0] for each in providers]
        if "FALLS_BACK" in os.environ:
            self.has = super().get_providers()

    def get_providers(self):
        return self.has


real.InferenceSession = Session
"""


@pytest.fixture
def photos(digits, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        Image.fromarray(digits.test.images[number][..., 0]).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def score(process, photos, digits_bundle, tmp_path):
    """Score the photos in a process with the stand-in: (finished process, what the sessions were asked for)."""
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "onnxruntime.py").write_text(STAND_IN)
    path = os.pathsep.join([str(tmp_path / "stand-in"), *filter(None, [os.environ.get("PYTHONPATH")])])
    asked = tmp_path / "asked"

    def run(*more, **env):
        asked.write_text("")
        environment = {"PYTHONPATH": path, "ASKED": str(asked), **env}
        command = ("-m", "batchclf", "score", "photos", "--model", digits_bundle, *more)
        done = process(*command, cwd=tmp_path, env=environment)
        return done, [json.loads(line) for line in asked.read_text().splitlines()]

    return run


def test_cuda_is_asked_for_in_full_float32_and_named_in_the_run(score, cli, photos, digits_bundle, tmp_path):
    done, asked = score("--device", "cuda", "--out", "gpu", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 0  # and nothing else was printed, by preload_dlls neither
    assert "Failed to load" not in done.stderr
    options = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
    expected = [["CUDAExecutionProvider", options], "CPUExecutionProvider"]
    assert asked == [{"providers": expected, "deterministic": True}]
    assert read_record(tmp_path / "gpu").device == "cuda"
    assert "onnx on cuda, batches of" in (tmp_path / "gpu" / "report.html").read_text()
    assert cli("score", photos, "--model", digits_bundle, "--out", "cpu")[0] == 0
    assert read_record(tmp_path / "cpu").device == "cpu"
    gpu, cpu = ((tmp_path / run / "predictions.csv").read_bytes() for run in ("gpu", "cpu"))
    assert gpu == cpu


def test_the_cpu_is_asked_for_alone(score):
    done, asked = score("--out", "cpu")
    assert done.returncode == 0, done.stderr
    assert asked == [{"providers": ["CPUExecutionProvider"], "deterministic": False}]


def test_a_session_that_falls_back_to_the_cpu_is_refused_with_what_is_missing(score, tmp_path):
    done, _ = score("--device", "cuda", "--out", "gpu", FALLS_BACK="1")
    assert done.returncode == 1
    assert "ONNX Runtime cannot use CUDA, and would score on the CPU: Failed to load libcublasLt.so" in done.stderr
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'; or take the device cpu" in done.stderr
    assert not (tmp_path / "gpu").exists()


def test_scores_of_another_device_are_not_taken_from_the_cache(score, tmp_path):
    cached = []
    for out, device in (("one", "cpu"), ("two", "cuda"), ("three", "cuda"), ("four", "cpu")):
        done, _ = score("--device", device, "--cache", "--out", out)
        assert done.returncode == 0, done.stderr
        cached.append(read_record(tmp_path / out).subsets[0].cached)
    assert cached == [0, 0, 30, 30]


def test_a_library_without_cuda_is_refused_before_anything_is_trained(cli, photos, digits_bundle, tmp_path):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    code, _, err = cli("score", photos, "--model", digits_bundle, "--device", "cuda")
    assert code == 1
    assert "the ONNX Runtime that is installed has no CUDA" in err
    assert "pip uninstall onnxruntime onnxruntime-gpu" in err
    job = tmp_path / "job.toml"
    job.write_text('[data]\ndataset = "digits"\n[publish]\nreports = "reports"\n[scoring]\ndevice = "cuda"\n')
    code, out, err = cli("run", job)
    assert code == 1
    assert "has no CUDA" in err
    assert "epoch" not in out
    assert not (tmp_path / "reports" / "job" / "model").exists()
    code, out, _ = cli("job", "check", job)
    assert code != 0
    assert "job.toml, line 6: the ONNX Runtime that is installed has no CUDA" in out


def test_bf16_on_cuda_is_refused(cli, photos, digits_bundle):
    code, _, err = cli("score", photos, "--model", digits_bundle, "--device", "cuda", "--precision", "bf16")
    assert code == 2
    assert "--precision bf16 and --device cuda do not go together" in err


OTHER_NAMES = """
from importlib import metadata

real = metadata.Distribution.from_name.__func__
renamed = {"onnxruntime-gpu": "onnxruntime", "opencv-contrib-python": "opencv-python-headless"}


def from_name(cls, name):
    if name in renamed.values():
        raise metadata.PackageNotFoundError(name)
    return real(cls, renamed.get(name, name))


metadata.Distribution.from_name = classmethod(from_name)
"""


def test_libraries_may_be_installed_under_other_names(process, photos, digits_bundle, tmp_path):
    """As with onnxruntime-gpu and opencv-contrib-python, which bring the same modules."""
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "sitecustomize.py").write_text(OTHER_NAMES)
    path = os.pathsep.join([str(tmp_path / "names"), *filter(None, [os.environ.get("PYTHONPATH")])])
    gone = process("-c", "from importlib.metadata import version; version('onnxruntime')", cwd=tmp_path,
                   env={"PYTHONPATH": path})  # fmt: skip
    assert "PackageNotFoundError" in gone.stderr
    command = ("-m", "batchclf", "score", "photos", "--model", digits_bundle, "--cache", "--out", "run")
    done = process(*command, cwd=tmp_path, env={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    versions = read_record(tmp_path / "run").versions
    import cv2
    import onnxruntime
    import PIL

    assert versions["onnxruntime"] == onnxruntime.__version__
    assert versions["PIL"] == PIL.__version__
    assert versions["cv2"].startswith(cv2.__version__)


def test_a_library_without_a_version_costs_the_cache_and_no_run(cli, photos, digits_bundle, tmp_path, monkeypatch):
    monkeypatch.delattr(sys.modules["onnxruntime"], "__version__")
    for out in ("one", "two"):
        code, printed, err = cli("score", photos, "--model", digits_bundle, "--cache", "--out", out)
        assert (code, err) == (0, "")
        assert "going on without the cache: onnxruntime gives no version" in printed
    record = read_record(tmp_path / "two")
    settings = ScoreSettings(batch_size=16, workers=1, topk=3, probabilities=False)
    bundle = load_bundle(digits_bundle)
    # So a killed run is not continued, either.
    assert computed_with(bundle, settings) != computed_with(bundle, settings)
    monkeypatch.undo()
    assert computed_with(bundle, settings) == computed_with(bundle, settings)
    assert record.versions["onnxruntime"] == "unknown"
    assert record.subsets[0].cached == 0


@pytest.mark.network
def test_opencv_python_decodes_in_place_of_the_headless_package(process, cli, photos, digits_bundle, tmp_path):
    import cv2

    for number in range(5):
        Image.effect_noise((60, 50), 90).save(photos / f"noise {number}.jpg")
    install = ("install", "--quiet", "--no-deps", "--target", "site", f"opencv-python=={cv2.version.opencv_version}")
    if process("-m", "pip", *install, cwd=tmp_path).returncode != 0:
        pytest.skip("opencv-python cannot be fetched")
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    found = process("-c", "import cv2; print(cv2.version.headless)", cwd=tmp_path, env={"PYTHONPATH": path})
    assert found.stdout.split() == ["False"], found.stderr
    command = ("score", "photos", "--model", digits_bundle, "--out")
    done = process("-m", "batchclf", *command, "other", cwd=tmp_path, env={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    assert cli(*command, "usual")[0] == 0
    other, usual = (tmp_path / "other", tmp_path / "usual")
    assert (other / "predictions.csv").read_bytes() == (usual / "predictions.csv").read_bytes()
    assert read_record(other).versions == read_record(usual).versions

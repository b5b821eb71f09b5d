"""Run the model that a bundle keeps beside its graph in TensorFlow, on the CPU or a GPU of NVIDIA."""

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.libraries import versions_of
from batchclf.models.bundle import OUTPUT_NAME, Bundle
from batchclf.models.preprocessing import prepare, to_probabilities
from batchclf.models.runtime.registry import Device


class TensorflowRuntime:
    """The model that the bundle keeps beside its graph, in TensorFlow; a Keras file is loaded in Keras' safe mode."""

    def __init__(self, bundle: Bundle, device: Device, cores: int | None = None) -> None:
        path, self._steps = bundle.original_path, bundle.info.preprocessing
        assert path is not None, bundle.path
        from batchclf.models.sources.keras import load_keras, load_saved_model

        self.check(device)
        if cores is not None:
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(cores)
            tf.config.threading.set_inter_op_parallelism_threads(cores)
        self._path = path
        given = bundle.info.settings.get(OUTPUT_NAME)
        output_name = None if given is None else str(given)
        self._model = load_saved_model(path, output_name) if path.is_dir() else load_keras(path, output_name)

    @staticmethod
    def versions() -> dict[str, str]:
        """Give the versions of TensorFlow and Keras."""
        from batchclf.models.sources.keras import quieten

        quieten()
        return versions_of("tensorflow", "keras")

    @staticmethod
    def check(device: Device) -> None:
        """Let TensorFlow compute on a device and no other; raises ModelError if that cannot be."""
        from batchclf.models.sources.keras import tensorflow_or_error

        tf = tensorflow_or_error()
        gpus = tf.config.list_physical_devices("GPU") if tf.test.is_built_with_cuda() else []
        if device == "cuda" and not gpus:
            raise ModelError(
                "TensorFlow cannot use CUDA, and would score on the CPU",
                hint="check that nvidia-smi lists a GPU, and install CUDA with: pip install 'tensorflow[and-cuda]'; or "
                "take the device cpu",
            )
        try:
            # By itself TensorFlow takes whatever is there, and says nothing of it (decision 130)
            tf.config.set_visible_devices(gpus if device == "cuda" else [], "GPU")
        except RuntimeError as error:  # a device can be chosen only before anything was computed
            raise ModelError(
                f"TensorFlow has begun on another device in this process and cannot score on {device}",
                hint="score with --runtime onnx, or in a run that does not train; a training goes to the GPU if "
                "CUDA_VISIBLE_DEVICES names one",
            ) from error
        if device == "cuda":
            tf.config.experimental.enable_tensor_float_32_execution(False)  # 10 bits in place of 23 (decision 131)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where TensorFlow says that out of memory for so many, ModelError where the
        model fails. Where a convolution finds no memory TensorFlow crashes instead, and the process with it.
        """
        try:
            outputs = self._model.run(prepare(images, self._steps))
        except MemoryError as error:
            raise MemoryError(f"{self._path}: {error}") from error
        except ModelError as error:
            raise ModelError(f"{self._path} fails on {len(images)} images: {error.message}") from error
        steps = self._steps
        rows = outputs.reshape(len(images), -1)
        return to_probabilities(rows, steps.output, steps.temperature, renormalize=steps.renormalize)

"""Score a folder as users of Ray Data do: read_images, map_batches with ONNX Runtime, one actor a core, a CSV.

    python ray_data.py FOLDER MODEL.onnx --out OUT

MODEL takes n x height x width x 1 or 3 uint8 images of its own size, as the graph of a bundle does.
"""

import sys
import time

import onnxruntime
import ray

folder, model, _, out = sys.argv[1:]
started = time.perf_counter()
ray.init(include_dashboard=False, log_to_driver=False)
print(f"Ray started in {time.perf_counter() - started:.2f} s")
shape = onnxruntime.InferenceSession(model).get_inputs()[0].shape


class Scorer:
    """One actor: the graph on one thread."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options)

    def __call__(self, batch):
        images = batch["image"].reshape(-1, *shape[1:])
        (scores,) = self.session.run(["probabilities"], {"image": images})
        return {"path": batch["path"], "prediction": scores.argmax(axis=1), "confidence": scores.max(axis=1)}


cores = int(ray.cluster_resources()["CPU"])
images = ray.data.read_images(folder, include_paths=True, size=tuple(shape[1:3]), mode="L" if shape[3] == 1 else "RGB")
images.map_batches(Scorer, concurrency=max(1, cores - 1), batch_size=1024).write_csv(out)

"""Make a MobileNetV2, or score JPEGs with it as a Keras user does: `make MODEL` or `score MODEL DIR OUT.csv`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import pandas as pd
import tensorflow as tf

SIZE = (224, 224)
CLASSES = 4


def make(path: str) -> None:
    """Save the network with random weights; speed does not depend on them."""
    tf.keras.utils.set_random_seed(0)
    tf.keras.applications.MobileNetV2(weights=None, classes=CLASSES).save(path)


def score(model_path: str, folder: str, out: str) -> None:
    """Keras' own loader and predict."""
    model = tf.keras.models.load_model(model_path)
    dataset = tf.keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=SIZE, shuffle=False, batch_size=32, verbose=False
    )
    files = dataset.file_paths
    scaled = dataset.map(lambda images: images / 127.5 - 1.0, num_parallel_calls=tf.data.AUTOTUNE)
    probabilities = model.predict(scaled.prefetch(2), verbose=0)
    rows = {"path": files, "prediction": probabilities.argmax(1), "confidence": probabilities.max(1)}
    pd.DataFrame(rows).to_csv(out, index=False)


if __name__ == "__main__":
    {"make": make, "score": score}[sys.argv[1]](*sys.argv[2:])

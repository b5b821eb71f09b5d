"""What runs a bundle's model: ONNX Runtime, TensorFlow, OpenVINO, LiteRT."""

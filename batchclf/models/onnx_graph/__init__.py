"""ONNX graphs: read, changed, given the interface of a bundle, checked."""

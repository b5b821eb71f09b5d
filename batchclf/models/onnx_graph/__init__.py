"""Onnx graph: to be said in a line."""

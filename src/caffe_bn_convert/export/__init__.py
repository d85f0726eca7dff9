"""From the typed net to an ONNX file."""

"""The typed net between Caffe and ONNX."""

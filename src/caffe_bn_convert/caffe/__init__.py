"""What the files of Caffe say; knows nothing of ONNX."""

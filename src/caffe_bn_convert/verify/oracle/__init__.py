"""Caffe's forward pass in NumPy, written after Caffe's C++ and nothing else: the judge of every ONNX file we write."""

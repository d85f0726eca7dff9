"""ONNX's numbers for element types (``TensorProto.DataType`` in onnx.proto), for code that needs nothing else of onnx."""

FLOAT = 1
INT64 = 7
BOOL = 9
FLOAT16 = 10

"""One net in one runtime, in a process of its own: loads it, then runs it once for every line on its input.

    python worker.py onnxruntime out.onnx            needs: numpy and the runtime
    python worker.py opencv-caffe deploy.prototxt weights.caffemodel
    python worker.py opencv-onnx | openvino out.onnx

The first line on its input has the shape of the net's input, as in ``1x3x224x224``. Prints a line for every pass: the
CPU seconds that it took. One thread, so that CPU time is the latency on a machine that has nothing else to do.
"""

import sys
import time

import numpy as np


def onnxruntime(path):
    """An ONNX file."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})


def _opencv(net):
    import cv2

    cv2.setNumThreads(1)
    names = net.getUnconnectedOutLayersNames()

    def forward(x):
        net.setInput(x)
        return net.forward(names)

    return forward


def opencv_caffe(prototxt, caffemodel):
    """OpenCV 4's own reader of Caffe's files."""
    import cv2

    return _opencv(cv2.dnn.readNetFromCaffe(prototxt, caffemodel))


def opencv_onnx(path):
    """An ONNX file."""
    import cv2

    return _opencv(cv2.dnn.readNetFromONNX(path))


def openvino(path):
    """An ONNX file."""
    from openvino import Core

    core = Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(path, "CPU", settings).create_infer_request()
    return lambda x: request.infer([x])


RUNTIMES = {f.__name__.replace("_", "-"): f for f in (onnxruntime, opencv_caffe, opencv_onnx, openvino)}


def main(runtime, *files):
    """Load, warm up, run."""
    shape = [int(dim) for dim in sys.stdin.readline().split("x")]
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    forward = RUNTIMES[runtime](*files)
    for _ in range(3):
        seconds = timed(forward, x, 1)
    passes = int(0.02 / max(seconds, 1e-6)) + 1
    print("ready", flush=True)
    for _ in sys.stdin:
        print(timed(forward, x, passes), flush=True)


def timed(forward, x, passes):
    """CPU seconds of one pass; fast ones are repeated, as the clock is coarse."""
    start = time.process_time()
    for _ in range(passes):
        forward(x)
    return (time.process_time() - start) / passes


if __name__ == "__main__":
    main(*sys.argv[1:])

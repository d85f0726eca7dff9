"""The nets that are measured: two trained ones, and real prototxts with weights made on the spot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@dataclass(frozen=True)
class Net:
    """A net on the disk."""

    name: str
    prototxt: Path
    caffemodel: Path

    @property
    def megabytes(self) -> float:
        """Size of the weights in 10^6 bytes."""
        return self.caffemodel.stat().st_size / 1e6


PROTOTXTS = {
    "AlexNet": "BVLC__caffe__models__bvlc_alexnet__deploy.prototxt",
    "DenseNet-161": "foss-for-synopsys-dwc-arc-processors__synopsys-caffe-models__caffe_models__densenet__caffe_model"
    "__161__DenseNet_161.prototxt",
    "Inception-ResNet-v2": "soeaver__caffe-model__cls__inception__deploy_inception-resnet-v2.prototxt",
    "ResNet-152": "soeaver__caffe-model__cls__resnet__deploy_resnet152.prototxt",
    "VGG-16": "dividiti__ck-caffe__package__caffemodel-vgg16__deploy.prototxt",
}


def nets(work: Path, *, large: bool = True) -> list[Net]:
    """All nets that can be had here, the smallest first; weights are made where they are missing."""
    digits, nsfw = ROOT / "fixtures/digits", SHARED / "models/open-nsfw-resnet50"
    found = [copied(work, "digits", digits / "deploy.prototxt", digits / "digits.caffemodel")]
    if nsfw.is_dir():
        found.append(copied(work, "open-nsfw", nsfw / "deploy.prototxt", nsfw / "weights.caffemodel"))
    for name, file in PROTOTXTS.items():
        source = SHARED / "prototxts" / file
        if source.is_file():
            text = source.read_text(encoding="utf-8").replace("$#batch_size#$", "1")
            found.append(made(work, name, text))
    if large:
        found.append(made(work, "wide", wide()))
    return found


def copied(work: Path, name: str, prototxt: Path, caffemodel: Path) -> Net:
    """A net that exists, in our folder."""
    folder = work / "nets"
    folder.mkdir(parents=True, exist_ok=True)
    net = Net(name, folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    shutil.copyfile(prototxt, net.prototxt)
    shutil.copyfile(caffemodel, net.caffemodel)
    return net


def made(work: Path, name: str, text: str) -> Net:
    """A net with this prototxt; its weights are made by a process of their own, unless they are there."""
    folder = work / "nets"
    folder.mkdir(parents=True, exist_ok=True)
    net = Net(name, folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    if not net.caffemodel.is_file() or net.prototxt.read_text(encoding="utf-8") != text:
        net.prototxt.write_text(text, encoding="utf-8")
        partial = net.caffemodel.with_suffix(".partial")
        subprocess.run([sys.executable, "-m", "bench.weights", net.prototxt, partial], check=True, cwd=ROOT)
        partial.replace(net.caffemodel)
    return net


def wide() -> str:
    """Four inner products of 16384 by 16384 or nearly: 4.2 GB."""
    layers = ['name: "wide"', _layer("data", "Input", "", "input_param { shape { dim: 1 dim: 16384 } }")]
    bottom = "data"
    for i, outputs in enumerate((16384, 16384, 16384, 15000)):
        layers.append(_layer(f"ip{i}", "InnerProduct", bottom, f"inner_product_param {{ num_output: {outputs} }}"))
        bottom = f"ip{i}"
    return "\n".join(layers)


def deep(count: int) -> str:
    """``count`` layers and an input: Convolution, BatchNorm, Scale, ReLU, again and again."""
    shape = "input_param { shape { dim: 1 dim: 8 dim: 6 dim: 5 } }"
    layers = ['name: "deep"', _layer("data", "Input", "", shape)]
    bottom = "data"
    for i in range(count // 4):
        top = f"conv{i}"
        convolution = "convolution_param { num_output: 8 kernel_size: 3 pad: 1 bias_term: false }"
        layers.append(_layer(top, "Convolution", bottom, convolution))
        layers.append(_layer(f"bn{i}", "BatchNorm", top, "batch_norm_param { use_global_stats: true }", top))
        layers.append(_layer(f"scale{i}", "Scale", top, "scale_param { bias_term: true }", top))
        layers.append(_layer(f"relu{i}", "ReLU", top, "", top))
        bottom = top
    return "\n".join(layers)


def _layer(name: str, kind: str, bottom: str, parameters: str, top: str | None = None) -> str:
    reads = f'  bottom: "{bottom}"\n' if bottom else ""
    rest = f"  {parameters}\n" if parameters else ""
    return f'layer {{\n  name: "{name}"\n  type: "{kind}"\n{reads}  top: "{top or name}"\n{rest}}}'

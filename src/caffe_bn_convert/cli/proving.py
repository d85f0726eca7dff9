"""Options of the proof, for the commands that prove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from caffe_bn_convert.cli.options import together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.verify import Caffe, Options, Report

PROOF = together(
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the inputs that the proof makes up."),
    click.option("--input", "inputs", multiple=True, metavar="[NAME=]FILE",
                 help="Prove on this input instead: .npy, .npz or an image. Repeatable."),
    click.option("--expect", type=click.Path(path_type=Path), metavar="FILE.npz",
                 help="Outputs from elsewhere, for --input; compared too."),
    click.option("--atol", type=float, help="Allow this error instead of what the rounding noise tells."),
    click.option("--rtol", type=float, help="The same, times the number."),
    click.option("--provider", default="cpu", show_default=True, metavar="NAME",
                 help="Who runs the ONNX file: cpu, cuda, tensorrt, openvino or onnxruntime's own name."),
    click.option("--device", type=click.IntRange(0), default=0, help="Which of the provider's devices."),
    click.option("--provider-defaults", is_flag=True,
                 help="Run once more with the provider's own defaults (CUDA: with TF32); tell that error apart."),
    click.option("--against", multiple=True, type=click.Choice(["opencv", "pycaffe"]),
                 help="Ask another program that reads Caffe, too. Repeatable."),
    click.option("--report", "reports", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
                 help="Write a report: .json, .xml (JUnit), .html or .md. Repeatable."),
)  # fmt: skip

IN_CONVERT = together(
    click.option(
        "--verify/--no-verify", default=True, help="Prove the file before it is put in place.  [default: yes]"
    ),
    click.option("--keep-failed", is_flag=True, help="Keep a file that is wrong as OUTPUT.failed."),
)

NAMES = ("seed", "inputs", "expect", "atol", "rtol", "provider", "device", "provider_defaults", "against", "reports")


def take(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of PROOF out of ``options``."""
    from caffe_bn_convert.verify.report import writer

    taken = {name: options.pop(name) for name in NAMES}
    for path in taken["reports"]:
        writer(path)  # a wrong ending is better said before the work than after it
    return taken


def leave(options: dict[str, Any]) -> dict[str, Any]:
    """Take them out where nothing is proven.

    Raises:
        click.UsageError: one was typed.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in NAMES and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} is about the proof, which --no-verify leaves out")
    return {name: options.pop(name) for name in NAMES}


def proof_options(
    taken: dict[str, Any], caffe: Caffe, witnesses: Sequence[Path], pictures: dict[str, Any] | None = None
) -> Options:
    """The library's options.

    Args:
        taken: see :func:`take`.
        caffe: the net, whose inputs the files are for.
        witnesses: prototxt and caffemodel, for other programs to read.
        pictures: mean, scale and bgr for images, where given.
    """
    from caffe_bn_convert.verify import Options, Rule
    from caffe_bn_convert.verify.inputs import files

    arrays = None
    if taken["inputs"]:
        pixels = files.Pixels.of(caffe.net).with_given(**(pictures or {}))
        arrays = files.arrays([files.named_file(text) for text in taken["inputs"]], _slots(caffe), pixels)
    return Options(
        seed=taken["seed"],
        inputs=arrays,
        expect=files.archive(taken["expect"]) if taken["expect"] is not None else None,
        rule=Rule(atol=taken["atol"], rtol=taken["rtol"]),
        provider=taken["provider"],
        device=taken["device"],
        provider_defaults=taken["provider_defaults"],
        against=taken["against"],
        sources=tuple(witnesses),
        statistics=bool(taken["reports"]),
    )


def of_conversion(taken: dict[str, Any], conversion: Conversion) -> Options:
    """The library's options for a conversion."""
    from caffe_bn_convert.verify.ours import caffe_of

    sources = [Path(conversion.net.file), *(source.path for source in conversion.sources)]
    wanted = conversion.preprocessing
    if wanted is None:
        return proof_options(taken, caffe_of(conversion), sources)
    raw = {"mean": (), "scale": 1.0, "bgr": not wanted.rgb}  # the file itself does the rest
    options = proof_options(taken, caffe_of(conversion), sources, raw)
    if options.inputs is None or wanted.layout == "nchw":
        return options
    return replace(options, inputs=_channels_last(options.inputs, str(wanted.input), taken["inputs"]))


def _channels_last(arrays: Mapping[str, Any], name: str, texts: Sequence[str]) -> dict[str, Any]:
    """What was read from image files, as an input with its channels last takes it; arrays stay as they are."""
    from caffe_bn_convert.verify.inputs import files

    named = [files.named_file(text) for text in texts]
    images = {key or name for key, path in named if path.suffix.lower() in files.IMAGES}
    return {
        key: value.transpose(0, 2, 3, 1) if key == name and key in images else value for key, value in arrays.items()
    }


def _slots(caffe: Caffe) -> list[Any]:
    from caffe_bn_convert.verify.binding import input_names, usual_shapes
    from caffe_bn_convert.verify.inputs import Slot

    usual = usual_shapes(caffe.net)
    return [Slot(name, usual.get(name, ()), usual.get(name, ())) for name in input_names(caffe.net)]


def teller(taken: dict[str, Any], *, quiet: bool, verbose: bool) -> Callable[[Report], None]:
    """Writes the reports that were asked for, and the table for the terminal."""

    def tell(report: Report) -> None:
        from caffe_bn_convert.cli import say
        from caffe_bn_convert.verify.report import text, write

        for path in taken["reports"]:
            write(report, path)
        if verbose or (not report.passed and not quiet):
            say(text.table(_before_the_error(report), verbose=verbose))
        elif not quiet:
            say(text.headline(report))
            for line in text.remarks(report):
                say(f"  {line}")

    return tell


def _before_the_error(report: Report) -> Report:
    """The report without what the error that follows it says anyway."""
    checks = report.checks
    if report.divergence is None:
        checks = tuple(check for check in checks if check.status != "fail")
    return replace(report, divergence=None, checks=checks)

"""``caffe-bn-convert inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.cli import extensions, options, say
from caffe_bn_convert.errors import UsageError

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.inspect import Inspection
    from caffe_bn_convert.inspect.draw import Picture

_FORMS = {"svg": "svg", "dot": "dot", "gv": "dot", "mermaid": "mermaid", "mmd": "mermaid"}


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@options.WEIGHTS
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON instead of tables.")
@click.option("--graph", metavar="FILE|FORM", help="Draw the net, before and after folding BatchNorm, to a .svg, .dot or"
              " .mmd file; svg, dot or mermaid prints it instead.")  # fmt: skip
@click.option(
    "--recover", type=click.Path(path_type=Path), metavar="FILE", help="Write the prototxt that is in a caffemodel."
)
@options.STATE
@extensions.PLUGIN
@click.option("--shape", "shapes", multiple=True, callback=options.read_shapes, metavar="NAME=DIMS",
              help="Shape of an input, as in data=1x3x224x224. Repeatable.")  # fmt: skip
@options.VERBOSITY
def command(
    file: Path, caffemodel: str | None, as_json: bool, graph: str | None, recover: Path | None, quiet: bool,  # noqa: FBT001
    verbose: bool, **given: Any,  # noqa: FBT001  (click's way)
) -> None:  # fmt: skip
    """Show what is in a net, its weights or an ONNX file.

    \b
        caffe-bn-convert inspect deploy.prototxt weights.caffemodel
        caffe-bn-convert inspect deploy.prototxt --graph net.svg
        caffe-bn-convert inspect weights.caffemodel --recover deploy.prototxt
        caffe-bn-convert inspect out.onnx --json

    A table of the layers with shapes, parameters, multiply-accumulates and memory; the totals; and what each BatchNorm
    has stored.
    """
    from caffe_bn_convert.inspect import as_data, as_text
    from caffe_bn_convert.layers import LAYERS

    given["layers"] = extensions.take(given.pop("plugins")).get("layers", LAYERS)
    kind = kind_of_file(file)
    if recover is not None:
        save_recovered(file, kind, recover, quiet=quiet)
        return
    if caffemodel is not None and kind != "prototxt":
        raise UsageError(f"{file} is no prototxt; it is inspected alone")
    inspection = inspected(file, kind, caffemodel, given)
    if graph is not None:
        draw(file, kind, inspection, graph, given, quiet=quiet)
        return
    click.echo(
        json.dumps(as_data(inspection), indent=1) if as_json else as_text(inspection, verbose=verbose), nl=as_json
    )


def kind_of_file(path: Path) -> str:
    """ "prototxt", "weights" or "onnx", by what the file begins with; by its name where that tells nothing."""
    from caffe_bn_convert.caffe import filekind
    from caffe_bn_convert.caffe.wrongfile import read_head

    kind = filekind.kind_of(read_head(path))
    if path.suffix == ".onnx" or (kind is not None and kind.name == "an ONNX file"):
        return "onnx"
    if kind in (filekind.CAFFEMODEL, filekind.HDF5) or path.suffix in (".caffemodel", ".h5"):
        return "weights"
    return "prototxt"


def inspected(file: Path, kind: str, caffemodel: str | None, given: dict[str, Any]) -> Inspection:
    """The inspection for a file of this kind."""
    from caffe_bn_convert.arguments import input_shapes, weight_files
    from caffe_bn_convert.inspect import inspect_net, inspect_weights

    if kind == "onnx":
        from caffe_bn_convert.inspect.onnx_file import inspect_onnx

        return inspect_onnx(file)
    shapes = input_shapes(None, given["shapes"]).given
    if kind == "weights":
        return inspect_weights(file, shapes, given["layers"])
    state = {name: given[name] for name in ("phase", "level", "stages", "layers")}
    return inspect_net(file, weight_files(caffemodel), shapes=shapes, **state)


def draw(file: Path, kind: str, inspection: Inspection, target: str, given: dict[str, Any], *, quiet: bool) -> None:
    """Draw to a file, or print."""
    from caffe_bn_convert.arguments import input_shapes
    from caffe_bn_convert.inspect.draw import as_dot, as_mermaid, as_svg, picture_of, pictures

    form = _FORMS.get(target if target in _FORMS else Path(target).suffix.lstrip("."))
    if form is None:
        raise UsageError(f'"{target}" is no form of drawing', hint="end the name in .svg, .dot or .mmd")
    found: tuple[Picture, ...] = (picture_of(inspection),)
    if kind != "onnx":
        state = {name: given[name] for name in ("phase", "level", "stages", "layers")}
        found = pictures(net_of(file, kind), shapes=input_shapes(None, given["shapes"]).given, **state)
    text = {"svg": as_svg, "dot": as_dot, "mermaid": as_mermaid}[form](found)
    if target in _FORMS:
        click.echo(text, nl=False)
    else:
        save(Path(target), text, quiet=quiet)


def net_of(file: Path, kind: str) -> NetDefinition:
    """The net of a prototxt, or the one in a caffemodel."""
    from caffe_bn_convert.caffe.prototxt import parse_net, read_net

    if kind == "prototxt":
        return read_net(file)
    from caffe_bn_convert.inspect import recover

    return parse_net(recover(file).text, str(file))


def save_recovered(file: Path, kind: str, target: Path, *, quiet: bool) -> None:
    """Write the prototxt of a caffemodel, and say how much of it there is."""
    from caffe_bn_convert.inspect import recover
    from caffe_bn_convert.inspect.net import recovered_notes

    if kind != "weights":
        raise UsageError(
            f"{file} is no caffemodel", hint="--recover reads the prototxt that Caffe writes into its weights"
        )
    recovered = recover(file)
    if not quiet:
        for note in recovered_notes(recovered.layers, recovered.whole, recovered.lost):
            say(f"note: {note}")
    save(target, recovered.text, quiet=quiet)


def save(path: Path, text: str, *, quiet: bool) -> None:
    """Write a file, whole or not at all."""
    from caffe_bn_convert.placement import put

    put(path, text)
    if not quiet:
        say(f"wrote {path}")

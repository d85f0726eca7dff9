"""The selection as an edit of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import Block
from caffe_bn_convert.caffe.prototxt.edit import Edits
from caffe_bn_convert.deploy.dropout import droppable
from caffe_bn_convert.deploy.fields import NET, training_fields
from caffe_bn_convert.deploy.inputs import Inputs, inputs_of
from caffe_bn_convert.deploy.write import activation, input_layer, old_inputs, quoted, uses_dims
from caffe_bn_convert.errors import UsageError, Where, at
from caffe_bn_convert.net.losses import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.caffe.prototxt import Field
    from caffe_bn_convert.deploy.selection import Selection

_LAYERS = ("layer", "layers")
_INPUTS = ("input", "input_shape", "input_dim")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose; see :func:`caffe_bn_convert.deploy.deploy`. No batch keeps that of the data layers."""

    shapes: Mapping[str, Sequence[int]]
    batch: int | None
    drop_dropout: bool
    keep_learning_rates: bool


def rewrite(net: NetDefinition, selection: Selection, options: Options) -> tuple[str, list[Note]]:
    """The text of the selected layers, made fit for deployment.

    Raises:
        InvalidNetError: the shape of an input cannot be told.
        UsageError: ``shapes`` names what is no input.
    """
    assert net.text is not None
    writer = _Writer(net, selection, options)
    with at(Where(net.file)):
        writer.inputs()
    writer.layers()
    if options.drop_dropout:
        writer.dropouts()
    for field in net.text.fields:
        if field.name in NET:
            writer.edits.remove(field)
    return writer.edits.apply(), writer.notes


class _Writer:
    def __init__(self, net: NetDefinition, selection: Selection, options: Options) -> None:
        assert net.text is not None
        self.tree: Block = net.text
        self.selection = selection
        self.options = options
        self.edits = Edits(self.tree.source.text)
        self.notes: list[Note] = []
        self.original = {id(layer.text): layer for layer in net.layers}
        self.fields = {id(field.value): field for field in self.tree.fields if field.name in _LAYERS}
        self.v1 = any(field.name == "layers" for field in self.fields.values())

    def inputs(self) -> None:
        """Data layers become inputs: layers of today's form, or names at the top of the file for V1."""
        self.check_shapes()
        old: list[tuple[LayerDefinition, Inputs]] = []
        for position in self.selection.sources:
            layer = self.selection.layers[position]
            if not self.changes(layer):
                continue
            new = inputs_of(
                layer, self.selection.twins, self.options.shapes, self.options.batch, self.original[id(layer.text)]
            )
            if self.v1 or layer.text is None:
                old.append((layer, new))
            else:
                self.edits.replace(self.fields[id(layer.text)], input_layer(new))
        self.old_inputs(old)

    def check_shapes(self) -> None:
        """A --shape for something that is no input is a mistake."""
        fed = [top for position in self.selection.sources for top in self.selection.layers[position].parameter.top]
        for name in self.options.shapes:
            if name not in fed:
                raise UsageError(f'--shape names "{name}", which is no input; the inputs are {", ".join(fed)}')

    def changes(self, layer: LayerDefinition) -> bool:
        """Whether an input has to be written anew."""
        original = self.original[id(layer.text)].parameter
        same = layer.type == "Input" and list(layer.parameter.top) == list(original.top)
        return not same or any(top in self.options.shapes for top in layer.parameter.top)

    def old_inputs(self, found: Sequence[tuple[LayerDefinition, Inputs]]) -> None:
        """Write inputs in V1's form, all of them in the form that the file has, or else in the oldest that will do."""
        dims = uses_dims([new for _, new in found]) and not self.tree.all("input_shape")
        for layer, new in found:
            text = old_inputs(new, dims=dims)
            if layer.text is not None:
                self.edits.replace(self.fields[id(layer.text)], text)
                continue
            first, *others = [field for field in self.tree.fields if field.name in _INPUTS]
            self.edits.replace(first, text)
            for field in others:
                self.edits.remove(field)

    def layers(self) -> None:
        """Clean what stays, put activations in the place of losses, and remove the rest."""
        kept = {id(layer.text): layer for layer in self.selection.layers if layer.text is not None}
        inputs = {id(self.selection.layers[i].text) for i in self.selection.sources}
        for key, field in self.fields.items():
            layer = kept.get(key)
            if layer is None:
                self.edits.remove(field)
            elif layer.type != self.original[key].type:
                self.edits.replace(field, activation(layer, v1=self.v1))
            elif key not in inputs or not self.changes(layer):
                self.clean(layer)

    def clean(self, layer: LayerDefinition) -> None:
        """Take out of one layer what only training needs."""
        for field in training_fields(layer, keep_rates=self.options.keep_learning_rates):
            self.edits.remove(field)
        if layer.type == "BatchNorm":
            self.use_stored_statistics(layer)

    def use_stored_statistics(self, layer: LayerDefinition) -> None:
        """Set ``use_global_stats: true``."""
        block = layer.text
        assert block is not None
        parameters = [field for field in block.fields if field.name == "batch_norm_param"]
        if not parameters:
            wires = [field for field in block.fields if field.name in ("name", "type", "bottom", "top")]
            self.edits.add(wires[-1], "batch_norm_param { use_global_stats: true }")
            return
        inner = parameters[-1].value
        assert isinstance(inner, Block)
        given = inner.all("use_global_stats")
        if not given:
            self.keep_block(parameters[-1], "use_global_stats: true")
        elif inner.get("use_global_stats") is not True:
            self.edits.value(given[-1], "true", drop_comment=True)
            self.notes.append(Note(layer.name, "use_global_stats was false; the stored statistics are used now"))

    def keep_block(self, field: Field, text: str) -> None:
        """Put a field into a block that may lose all others."""
        block = field.value
        assert isinstance(block, Block)
        gone = [inner for inner in block.fields if inner.name == "moving_average_fraction"]
        if gone and len(gone) == len(block.fields):
            self.edits.replace(field, f"{field.name} {{ {text} }}")
        else:
            self.edits.add_first(field, text)

    def dropouts(self) -> None:
        """Take Dropout out and let its readers read what it read."""
        for layer, readers in droppable(self.selection.layers, self.notes):
            self.edits.remove(self.fields[id(layer.text)])
            top, bottom = layer.parameter.top[0], layer.parameter.bottom[0]
            for reader in readers if top != bottom else ():
                assert reader.text is not None
                for field in reader.text.all("bottom"):
                    if not isinstance(field.value, Block) and field.value.text == top:
                        self.edits.value(field, quoted(bottom))

"""Which fields of a layer only training needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import Block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.caffe.prototxt import Field

TRAINING = frozenset({"include", "exclude", "phase", "loss_weight", "propagate_down", "loss_param"})
RATES = frozenset({"blobs_lr", "weight_decay"})
NET = frozenset({"force_backward", "debug_info", "state"})
_PARAM_RATES = frozenset({"lr_mult", "decay_mult"})
_STATISTICS = frozenset({"moving_average_fraction"})

# A fork's BatchNorm has a scale and a bias because it has their fillers, and what dialect of BN a layer speaks shows
# in its fillers; a constant of DummyData is its value.
_MEANINGFUL = frozenset({"batch_norm_param", "bn_param", "dummy_data_param"})


def training_fields(layer: LayerDefinition, *, keep_rates: bool) -> Iterator[Field]:
    """The fields of a layer that go; a block goes whole where nothing of it would stay."""
    block = layer.text
    assert block is not None
    names = TRAINING if keep_rates else TRAINING | RATES
    yield from (field for field in block.fields if field.name in names)
    if not keep_rates:
        yield from _rates(block)
    for field in block.fields:
        if field.name.endswith("_param") and field.name not in names and isinstance(field.value, Block):
            gone = list(_fillers(field))
            whole = bool(gone) and len(gone) == len(field.value.fields) and field.name != "batch_norm_param"
            yield from [field] if whole else gone


def _rates(block: Block) -> Iterator[Field]:
    """Learning rates. Positions count in ``param``: one that comes before a shared name has to stay, empty."""
    params = [field for field in block.all("param") if isinstance(field.value, Block)]
    named = [i for i, field in enumerate(params) if field.value.all("name") or field.value.all("share_mode")]  # type: ignore[union-attr]
    needed = named[-1] + 1 if named else 0
    for field in params[:needed]:
        yield from (inner for inner in field.value.fields if inner.name in _PARAM_RATES)  # type: ignore[union-attr]
    yield from params[needed:]


def _fillers(field: Field) -> Iterator[Field]:
    block = field.value
    assert isinstance(block, Block)
    for inner in block.fields:
        is_filler = inner.name == "filler" or inner.name.endswith("_filler")
        goes = is_filler and field.name not in _MEANINGFUL and not _deterministic(inner)
        if goes or (field.name == "batch_norm_param" and inner.name in _STATISTICS):
            yield inner


def _deterministic(filler: Field) -> bool:
    """A bilinear filler stays: nets rely on it for deconvolutions that no caffemodel holds."""
    return isinstance(filler.value, Block) and filler.value.get("type") == "bilinear"

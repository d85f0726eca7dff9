"""The page of the layer types, docs/layers.md:

python -m caffe_bn_convert.layers.page > docs/layers.md
"""

from __future__ import annotations

from caffe_bn_convert.layers.catalogue import CAFFE, FORMULA, NOT_SUPPORTED, Entry, entries
from caffe_bn_convert.net.dialects import DIALECTS

HEAD = f"""# Layer types

What `caffe-bn-convert` converts, as `caffe-bn-convert layers` lists it (`--json` for programs). A type that is not here
is refused by name; [custom-layers.md](custom-layers.md) says how to add one.

- *Whose* is the Caffe that the type comes from: BVLC's own, which is everyone's, or the forks that have it. Where one
  name means different things in different forks, the log says which was taken.
- *Restrictions* are what must hold, or what of the type is refused.
- *ONNX operators* are those that the examples in `fixtures/` become, at any opset; a net uses only what its parameters need.
- *From opset* is the lowest that the type can be written for.
- *Held to* is the witness besides the proof of every conversion by an independent rendering in NumPy: {CAFFE}, where
  a real Caffe has been asked (`fixtures/golden`), else {FORMULA}, written down a second time in the tests.

This page is made of the code: `make docs`.

"""

MEANINGS = """
## Dialects

Blobs, shapes, bottoms and fields tell whose layer it is where forks disagree, and the log says which was taken. Where they
leave it open, or tell it wrong, `--dialect TYPE=NAME` (for one layer `--dialect LAYER=NAME`) does.

| type | name | what it says |
|---|---|---|
"""
MISSING = """
## Not converted

These are known, and refused with a reason.

| type | why, and what to do |
|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    rows = [_row(entry) for entry in entries()]
    table = "| type | whose | restrictions | ONNX operators | from opset | held to |\n|---|---|---|---|---|---|\n"
    missing = [f"| {name} | {reason} |\n" for name, reason in sorted(NOT_SUPPORTED.items(), key=lambda i: i[0].lower())]
    told = [
        f"| {kind} | {name} | {dialect.what} |\n"
        for kind, of in sorted(DIALECTS.items())
        for name, dialect in of.items()
    ]
    return HEAD + table + "".join(rows) + MEANINGS + "".join(told) + (MISSING + "".join(missing) if missing else "")


def _row(entry: Entry) -> str:
    operators = ", ".join(entry.operators) or "—"
    cells = (entry.type, entry.fork, entry.restrictions, operators, str(entry.opset), entry.verified)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())

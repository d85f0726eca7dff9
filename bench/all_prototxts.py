"""Convert and prove every inference net of a folder of prototxts, with weights made on the spot.

    python -m bench.all_prototxts ../shared/prototxts --count
    python -m bench.all_prototxts ../shared/prototxts --results results.jsonl [--only NAME] [--seconds 120]
    python -m bench.all_prototxts ../shared/prototxts --results results.jsonl --table

What counts is decided by rule, before anything is converted: every prototxt that Caffe reads as a net and that, for the
TEST phase, has no loss, or none once losses, measures and what only they read are left out, and then computes something.
A net without inputs in the TEST phase counts as what ``deploy`` makes of it, or not at all where that is nothing.
Each net has a process of its own; the results file is continued where it was left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import re
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import caffe_bn_convert as cbc
from bench.deploy_survey import ASKED as UNTOLD
from bench.deploy_survey import SHAPES, SPECIAL
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.deploy import deploy
from caffe_bn_convert.errors import ConversionError, InvalidNetError
from caffe_bn_convert.net.losses import leave_out_losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.conversion import Conversion

    Shape = tuple[int, ...]

MOST_BYTES = 1 << 30
"""Nets with more weights are skipped."""
ASKED = re.compile(r"add --shape ([^=\s]+)=")
MORE: dict[str, Shape] = {
    **SPECIAL, "im_info": (1, 3), "rois": (3, 5), "masks": (3, 1, 21, 21), "Python2": (1, 250), "label": (1,),
    "pair_data": (1, 2, 28, 28),
}  # fmt: skip
"""Shapes of blobs that are no pictures, by name."""
BY_NET: dict[str, dict[str, Shape]] = {"dlunion__CaffeLSTM-OCR__train.prototxt": {"data": (1, 3, 32, 152)}}
"""Where a layer further on tells: 19 steps of time."""
MOLECULES: tuple[Shape, ...] = ((1, 28, 48, 48, 48), (1, 34, 48, 48, 48), (1, 35, 48, 48, 48))


@dataclass(frozen=True)
class Result:
    """How one net fared.

    Attributes:
        name: the prototxt.
        verdict: "proven", "converted", "refused", "skipped" or "out of time".
        why: the reason, where it is not proven.
        seconds: how long it took.
    """

    name: str
    verdict: str
    why: str = ""
    seconds: float = 0.0


def counts(path: Path) -> str:
    """ "" for an inference net, else why the prototxt does not count."""
    try:
        net = in_test(path)
    except ConversionError as error:
        return f"Caffe does not read it: {first_line(error)}"
    if is_whole(net):
        return after_losses(net)
    with tempfile.TemporaryDirectory() as folder:
        try:
            net = in_test(deployed(path, Path(folder)))
        except ConversionError as error:
            return f"no inputs in the TEST phase, and no deployable form: {first_line(error)}"
        return after_losses(net) if is_whole(net) else "no inputs in the TEST phase"


def in_test(path: Path) -> NetDefinition:
    """The net of the TEST phase in today's form."""
    return filter_state(upgrade(read_net(path)), "TEST", 0, ())


def is_whole(net: NetDefinition) -> bool:
    """Whether every blob that is read is made, losses left out."""
    made: set[str] = set()
    for layer in leave_out_losses(net)[0].layers:
        if not made.issuperset(layer.parameter.bottom):
            return False
        made.update(layer.parameter.top)
    return True


def deployed(path: Path, folder: Path) -> Path:
    """What ``deploy`` makes of a training prototxt; the first shape is given where it asks for one.

    Raises:
        ConversionError: nothing.
    """
    shapes: dict[str, Shape] = {}
    while True:
        try:
            text = deploy(path, shapes=shapes).text
        except InvalidNetError as error:
            asked = UNTOLD.search(str(error))
            if asked is None or asked[1] in shapes:
                raise
            shapes[asked[1]] = next(shape_choices(asked[1]))
        else:
            out = folder / "deploy.prototxt"
            out.write_text(text, encoding="utf-8", errors="surrogateescape")
            return out


def after_losses(net: NetDefinition) -> str:
    """ "" where something is computed when losses are left out, else what is in the way."""
    net, _ = leave_out_losses(net)
    for layer in net.layers:
        if any(layer.parameter.loss_weight) or ("Loss" in layer.type and layer.parameter.top):
            return f"only training: {layer.type} {layer.name!r} stays"
    labels = {top for layer in net.layers if not layer.parameter.bottom for top in layer.parameter.top[1:]}
    for layer in net.layers:
        if layer.type == "Python" and labels & set(layer.parameter.bottom) and not proposes(layer):
            return f"only training: {layer.parameter.python_param.layer} learns from labels"
    if not any(layer.parameter.bottom and layer.parameter.top for layer in net.layers):
        return "nothing is computed in the TEST phase"
    return ""


def proposes(layer: LayerDefinition) -> bool:
    """Whether a Python layer is one that is for testing too; it reads the size of the picture, which is no label."""
    return str(layer.parameter.python_param.layer) == "ProposalLayer"


def first_line(error: BaseException) -> str:
    """What is wrong, without the file's name."""
    text = str(error).splitlines()[0] if str(error) else repr(error)
    return re.sub(r"^\S*/[^:]*:(\d+:)*\s*", "", text)


def shape_choices(name: str) -> Iterator[Shape]:
    """Shapes to try for an input that the prototxt does not tell, as a user would give them."""
    if name in MORE:
        yield MORE[name]
        return
    yield from SHAPES
    yield from MOLECULES


def shaped(path: Path) -> dict[str, Shape]:
    """Shapes of the inputs that the prototxt does not tell, such that the net builds.

    Raises:
        ConversionError: there are none; with the reason for the first ones tried.
    """
    given: dict[str, Shape] = dict(BY_NET.get(path.name, {}))
    first: ConversionError | None = None
    open_: list[tuple[str, Iterator[Shape]]] = []
    while True:
        try:
            cbc.shapes(path, shapes=given, keep_losses=False)
        except cbc.UnsupportedError:
            raise
        except ConversionError as error:
            asked = ASKED.search(str(error))
            if asked is not None:
                open_.append((asked[1], shape_choices(asked[1])))
            else:
                first = first or error
        else:
            return given
        while open_:
            name, rest = open_[-1]
            shape = next(rest, None)
            if shape is not None:
                given[name] = shape
                break
            open_.pop()
            given.pop(name, None)
        if not open_ and first is not None:
            raise first


def prove(path: Path, *, runs_only: bool = False) -> tuple[str, str]:
    """Verdict and reason of one net."""
    from bench.weights import write_weights

    try:
        with tempfile.TemporaryDirectory() as folder:
            if not is_whole(in_test(path)):
                path = deployed(path, Path(folder))
            shapes = shaped(path)
            weights = Path(folder) / "w.caffemodel"
            if 4 * number_of_weights(path, shapes) > MOST_BYTES:
                return "skipped", f"more than {MOST_BYTES >> 20} MiB of weights"
            write_weights(path, weights, shapes)
            conversion = fitted(path, weights, shapes)
            target = Path(folder) / "net.onnx"
            conversion.save(target, verify=False)
            if not runs_only and not conversion.verify(target).passed:
                return "converted", "the proof failed"
            verdict, why = useful(target, conversion)
            return ("runs" if runs_only and verdict == "proven" else verdict), why
    except ConversionError as error:
        return "refused", first_line(error)


def number_of_weights(path: Path, shapes: Mapping[str, Shape]) -> int:
    """How many numbers its blobs hold."""
    from math import prod

    from bench.weights import layers

    graph = cbc.shapes(path, shapes=shapes, keep_losses=False)
    return sum(prod(int(dim) for dim in p.shape) for _, _, parameters in layers(graph) for p in parameters)


def converted(path: Path, weights: Path, shapes: Mapping[str, Shape]) -> Conversion:
    """With a batch of one where the net allows it."""
    with contextlib.suppress(ConversionError):
        return cbc.convert(path, weights, allow="all", shapes=shapes, batch=1)
    return cbc.convert(path, weights, allow="all", shapes=shapes)


def fitted(path: Path, weights: Path, shapes: Mapping[str, Shape]) -> Conversion:
    """The same with weights that fit what arrives at each layer."""
    from bench.fitted import fit

    conversion = converted(path, weights, shapes)
    graph = conversion.graph
    inputs = {name: numbers(conversion, name, tuple(map(int, graph.shapes[name]))) for name in graph.inputs}
    fit(conversion, path, shapes, inputs)
    return converted(path, weights, shapes)


def useful(target: Path, conversion: Conversion) -> tuple[str, str]:
    """Whether the outputs are finite and not constant, for the input that the weights were made for.

    A constant that a layer without bottoms writes is no output to speak of.
    """
    import onnxruntime as ort

    session = ort.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    feed = {i.name: numbers(conversion, i.name, tuple(i.shape)) for i in session.get_inputs()}
    written = {top for layer in conversion.net.layers if not layer.parameter.bottom for top in layer.parameter.top}
    names = [output.name for output in session.get_outputs() if output.name not in written]
    outputs = zip(names, session.run(names, feed), strict=True)
    why = next(filter(None, (useless(name, value) for name, value in outputs)), "")
    return ("converted", why) if why else ("proven", f"{len(conversion.net.layers)} layers")


def numbers(conversion: Conversion, name: str, shape: Shape) -> Any:
    """What an input of this meaning holds: pictures less their mean where it is an ordinary blob."""
    import numpy as np

    from caffe_bn_convert.verify.inputs.kinds import normal, smooth
    from caffe_bn_convert.verify.inputs.roles import role_of

    random = np.random.default_rng(7)
    role = role_of(conversion.net, name)
    if role is not None:
        return role[1](random, shape, role[2]).astype(np.float32)
    made = smooth(random, shape) - 128 if len(shape) > 2 else normal(random, shape)
    return made.astype(np.float32)


def useless(name: str, value: Any) -> str:
    """What is wrong with an output, if anything."""
    import numpy as np

    if not np.isfinite(value).all():
        return f"{name} is not finite"
    return f"{name} is {value.min():g} everywhere" if value.size > 1 and value.min() == value.max() else ""


def in_process(path: Path, seconds: float, *, runs_only: bool) -> Result:
    """The same in a process of its own, that is ended when its time is over."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def work() -> None:
        try:
            there.send(prove(path, runs_only=runs_only))
        except BaseException as error:
            there.send(("internal error", repr(error)[:300]))

    start = time.monotonic()
    process = context.Process(target=work)
    process.start()
    there.close()
    verdict, why = "out of time", f"more than {seconds:g} s"
    if here.poll(seconds):
        try:
            verdict, why = here.recv()
        except EOFError:
            verdict, why = "internal error", "the process died"
    process.kill()
    process.join()
    return Result(path.name, verdict, why, round(time.monotonic() - start, 1))


def table(results: list[Result], counted: int, total: int) -> str:
    """What came of it, in lines."""
    verdicts = Counter(result.verdict for result in results)
    lines = [f"{total} prototxts, {counted} of them inference nets; {len(results)} tried", ""]
    lines += [f"{count:5}  {verdict}" for verdict, count in verdicts.most_common()]
    reasons = Counter((r.verdict, r.why) for r in results if r.verdict not in ("proven", "runs"))
    lines += ["", *(f"{count:5}  {verdict}: {why}" for (verdict, why), count in reasons.most_common())]
    good = verdicts["proven"] + verdicts["runs"]
    lines += ["", f"{good} of the {len(results)} tried ({good / max(1, len(results)):.1%}) are proven, or run"]
    return "\n".join(lines)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", action="store_true", help="only the rule: what counts, and what does not")
    parser.add_argument("--table", action="store_true", help="only the table of the results so far")
    parser.add_argument("--results", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--only", default="", help="nets with this in their name")
    parser.add_argument("--again", default="", help="try those again whose verdict has this in it")
    parser.add_argument("--runs", action="store_true", help="without the proof: finite outputs that are not constant")
    parser.add_argument("--seconds", type=float, default=120)
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix != ".json")
    out = {path.name: counts(path) for path in paths}
    counted = [path for path in paths if not out[path.name]]
    if arguments.count:
        for name, why in out.items():
            if why:
                print(f"{name}\n    {why}")
        print(f"\n{len(counted)} of {len(paths)} are inference nets")
        return
    done = _read(arguments.results, arguments.again)
    # In an order that has nothing to do with the names: what is tried first is a fair sample.
    for path in sorted(counted, key=lambda path: zlib.crc32(path.name.encode())) if not arguments.table else []:
        if path.name not in done and arguments.only in path.name:
            result = in_process(path, arguments.seconds, runs_only=arguments.runs)
            done[path.name] = result
            print(f"{result.verdict:14} {result.seconds:6.1f} s  {result.name}  {result.why}", flush=True)
            with arguments.results.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")
    print(table([done[path.name] for path in counted if path.name in done], len(counted), len(paths)))


def _read(path: Path, again: str) -> dict[str, Result]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    results = {row["name"]: Result(**row) for row in rows}
    return {name: r for name, r in results.items() if not again or again not in r.verdict}


if __name__ == "__main__":
    main()

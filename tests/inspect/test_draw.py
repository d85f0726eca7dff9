from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.inspect.draw import Box, Edge, Picture, as_dot, as_mermaid, as_svg, pictures
from caffe_bn_convert.inspect.draw.layout import layout
from tests.nets import input_layer, layer
from tests.paths import FIXTURES

SVG = "{http://www.w3.org/2000/svg}"


def digits() -> tuple[Picture, ...]:
    return pictures(read_net(FIXTURES / "digits" / "deploy.prototxt"))


def test_before_and_after() -> None:
    before, after = digits()
    assert before.title == "before: 28 layers"
    assert after.title == "after folding 6 BatchNorm: 22 layers"
    folded = {box.title: box.group for box in after.boxes if box.kind == "fold"}
    together = {(box.title, box.group) for box in before.boxes if box.group is not None}
    assert folded["bn_res2a"] is not None
    assert {("bn_res2a", folded["bn_res2a"]), ("scale_res2a", folded["bn_res2a"])} <= together


def test_without_batch_norm_there_is_one_picture() -> None:
    (picture,) = pictures(parse_net(input_layer(2, 3) + layer("ReLU", "r")))
    assert picture.title == ""
    assert picture.edges == (Edge("in:data", "0"),)


def test_svg_is_xml_with_a_box_for_every_layer() -> None:
    found = digits()
    tree = ET.fromstring(as_svg(found))
    assert len(tree.findall(f"{SVG}g")) == sum(len(picture.boxes) for picture in found)
    assert len(tree.findall(f"{SVG}path")) == sum(len(picture.edges) for picture in found)
    assert as_svg(found) == as_svg(digits())


def test_names_are_escaped() -> None:
    picture = (Picture("<t>", (Box("k", 'a<b>&"c"', "x", "other"),), ()),)
    assert ET.fromstring(as_svg(picture)) is not None
    assert 'a<b>&\\"c\\"' in as_dot(picture)
    assert "a&lt;b&gt;&amp;&quot;c&quot;" in as_mermaid(picture)


def test_dot_and_mermaid_have_every_arrow() -> None:
    found = digits()
    arrows = sum(len(picture.edges) for picture in found)
    assert as_dot(found).count("->") == arrows
    assert len(re.findall(" --> ", as_mermaid(found))) == arrows


@pytest.mark.parametrize("gap", [5.0, 30.0])
def test_boxes_of_a_rank_do_not_overlap(gap: float) -> None:
    for picture in digits():
        places = layout(picture, {box.key: 100.0 for box in picture.boxes}, gap)
        ranks: dict[int, list[float]] = {}
        for x, rank in places.centres.values():
            ranks.setdefault(rank, []).append(x)
        for row in ranks.values():
            row.sort()
            assert all(after - before >= 100 + gap - 1e-6 for before, after in pairwise(row))


def test_readers_are_below_what_they_read() -> None:
    for picture in digits():
        places = layout(picture, {box.key: 100.0 for box in picture.boxes}, 10)
        for edge in picture.edges:
            assert places.centres[edge.source][1] < places.centres[edge.target][1]

"""The diagrams of ``bpmn-examples`` are drawn as one draws by hand: all named, nothing crossed or covered."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import pytest

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
_BOUNDS = "{http://www.omg.org/spec/DD/20100524/DC}Bounds"
_WAYPOINT = "{http://www.omg.org/spec/DD/20100524/DI}waypoint"
_DIAGRAMS = sorted((Path(__file__).parents[2] / "bpmn-examples").rglob("*.bpmn"))
_NODES = ("Event", "Gateway", "ask", "subProcess")  # serviceTask, task
_LABEL_WIDTH = 90  # the modeler breaks a name at it


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def holds(self, other: "Box") -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )


@dataclass(frozen=True)
class Drawing:
    """A diagram with its places, by the ids of the BPMN elements."""

    elements: dict[str, ET.Element]
    parents: dict[str, str]
    nodes: dict[str, Box]
    labels: dict[str, Box]
    lines: dict[str, list[Box]]  # the segments of each sequence flow, as boxes without width or height

    def around(self, node: str) -> Iterator[str]:
        """The subprocesses that hold it."""
        while node := self.parents.get(node, ""):
            yield node


def _box(bounds: ET.Element) -> Box:
    return Box(*(float(bounds.attrib[key]) for key in ("x", "y", "width", "height")))


def _segments(edge: ET.Element) -> list[Box]:
    points = [(float(each.attrib["x"]), float(each.attrib["y"])) for each in edge.iter(_WAYPOINT)]
    return [Box(min(a, c), min(b, d), abs(a - c), abs(b - d)) for (a, b), (c, d) in pairwise(points)]


@pytest.fixture(params=_DIAGRAMS, ids=lambda path: str(path.name))
def drawing(request: pytest.FixtureRequest) -> Drawing:
    root = ET.parse(request.param).getroot()
    wanted = (*_NODES, "sequenceFlow")
    parents, elements = {}, {}
    for parent in root.iter():
        for each in parent:
            if each.tag.startswith(_BPMN) and each.tag.endswith(wanted):
                elements[each.attrib["id"]] = each
                if parent.tag == f"{_BPMN}subProcess":
                    parents[each.attrib["id"]] = parent.attrib["id"]
    places = {
        each.attrib["bpmnElement"]: each
        for each in root.iter()
        if each.tag.startswith(_DI) and each.tag in {f"{_DI}BPMNShape", f"{_DI}BPMNEdge"}
    }
    shapes = {key: each for key, each in places.items() if each.tag == f"{_DI}BPMNShape"}
    edges = {key: each for key, each in places.items() if each.tag == f"{_DI}BPMNEdge"}
    labels = {key: each.find(f"{_DI}BPMNLabel/{_BOUNDS}") for key, each in places.items()}
    return Drawing(
        elements,
        parents,
        {key: _box(each[0]) for key, each in shapes.items()},
        {key: _box(bounds) for key, bounds in labels.items() if bounds is not None},
        {key: _segments(each) for key, each in edges.items()},
    )


def test_everything_has_its_place_and_its_name(drawing: Drawing) -> None:
    assert drawing.elements.keys() == drawing.nodes.keys() | drawing.lines.keys()
    for key, element in drawing.elements.items():
        gateway = drawing.elements.get(element.get("sourceRef", ""))
        decides = gateway is not None and gateway.tag == f"{_BPMN}exclusiveGateway"
        if decides or element.tag != f"{_BPMN}sequenceFlow":
            assert element.get("name"), key


def test_all_of_it_is_on_the_canvas(drawing: Drawing) -> None:
    segments = [segment for line in drawing.lines.values() for segment in line]
    for box in (*drawing.nodes.values(), *drawing.labels.values(), *segments):
        assert min(box.x, box.y) > 0


def test_what_is_no_box_has_its_name_beside_it(drawing: Drawing) -> None:
    for key, box in drawing.nodes.items():
        assert (key in drawing.labels) == (box.width < 100)


def test_no_node_covers_another(drawing: Drawing) -> None:
    for (one, first), (other, second) in combinations(drawing.nodes.items(), 2):
        attached = drawing.elements[one].get("attachedToRef") == other
        attached = attached or drawing.elements[other].get("attachedToRef") == one
        if attached:
            assert first.overlaps(second)
            assert not first.holds(second)
            assert not second.holds(first)
        elif one in drawing.around(other):
            assert first.holds(second)
        elif other in drawing.around(one):
            assert second.holds(first)
        else:
            assert not first.overlaps(second), (one, other)


def test_every_name_can_be_read(drawing: Drawing) -> None:
    for (one, first), (other, second) in combinations(drawing.labels.items(), 2):
        assert not first.overlaps(second), (one, other)
    for labelled, label in drawing.labels.items():
        assert label.width <= _LABEL_WIDTH
        for node, box in drawing.nodes.items():
            if node in drawing.around(labelled):
                assert box.holds(label)
            else:
                assert not box.overlaps(label), (labelled, node)
        for line, segments in drawing.lines.items():
            assert not any(label.overlaps(segment) for segment in segments), (labelled, line)


def test_lines_are_straight_and_cross_nothing(drawing: Drawing) -> None:
    for line, segments in drawing.lines.items():
        assert all(0 in {segment.width, segment.height} for segment in segments), line
        flow = drawing.elements[line]
        ends = {flow.attrib["sourceRef"], flow.attrib["targetRef"]}
        hosts = {drawing.elements[end].get("attachedToRef") for end in ends}
        for node, box in drawing.nodes.items():
            if node not in ends | hosts | set(drawing.around(line)):
                assert not any(box.overlaps(segment) for segment in segments), (line, node)
        for other, others in drawing.lines.items():
            if line < other:
                assert not any(_crosses(one, two) for one in segments for two in others), (line, other)


def _crosses(one: Box, two: Box) -> bool:
    """Whether two segments, one level and one upright, have a point within both."""
    level, upright = (one, two) if one.height == 0 else (two, one)
    return level.x < upright.x < level.x + level.width and upright.y < level.y < upright.y + upright.height

"""Takes the last layer off a recogniser's ONNX file, so that only the letters that are wanted are computed.

And the shapes that its exporter noted, so that lines may be less high than the network was taught (docs/decisions.md).

The bundled recogniser tells 18,710 characters apart, nearly all of them Chinese. That layer and its softmax are a sixth
of the work on a long line (docs/decisions.md), and an Indian document uses a few hundred of them. ONNX is a protobuf
message; the few fields that matter are walked here, because the `onnx` package costs a worker 0.3 s at each start.

Source: onnx.proto3 of the ONNX project, for the numbers of the fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SHAPES = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR = 1, 2, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_VALUE_NAME, _VALUE_TYPE = 1, 2
_FLOAT: Final = 1
_FLOAT_TENSOR_TYPE: Final = bytes([10, 2, 8, _FLOAT])  # TypeProto{tensor_type{elem_type: FLOAT}}, of any shape
_FLOAT_PLANES_TYPE: Final = bytes([10, 12, 8, _FLOAT, 18, 8, *(10, 0) * 4])  # the same with a shape of four unknowns


@dataclass(frozen=True, slots=True)
class Headless:
    """A network without its last layer, and that layer.

    Attributes:
        model: the ONNX file, which now ends with features, N x T x K, and takes N x 3 x H x W of any H and W.
        weights: K x C, float32.
        bias: C, float32.
    """

    model: bytes
    weights: "NDArray[np.float32]"
    bias: "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    wire: int
    value: int | memoryview
    whole: memoryview  # with its tag


@dataclass(frozen=True, slots=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def without_head(model: bytes) -> Headless | None:
    """Split a network that ends in MatMul, Add and Softmax over the last axis; None when it ends otherwise.

    Raises:
        ValueError: this is no protobuf message.
    """
    fields = list(_fields(memoryview(model)))
    graph = next((_fields(_bytes(field)) for field in fields if field.number == _MODEL_GRAPH), iter(()))
    parts = list(graph)
    nodes = {id(part): _node(part) for part in parts if part.number == _GRAPH_NODE}
    makers = {node.outputs[0]: (part, node) for part, node in nodes.items() if node.outputs}
    outputs = [_name(part, _VALUE_NAME) for part in parts if part.number == _GRAPH_OUTPUT]
    tensors = {_name(part, _TENSOR_NAME): part for part in parts if part.number == _GRAPH_INITIALIZER}
    inputs = [_name(part, _VALUE_NAME) for part in parts if part.number == _GRAPH_INPUT]
    inputs = [name for name in inputs if name not in tensors]  # old exporters list constants there too
    if len(outputs) != 1 or len(inputs) != 1:
        return None
    dropped: set[int] = set()
    constants: list[str] = []
    name = outputs[0]
    for operator in ("Softmax", "Add", "MatMul"):
        part, node = makers.get(name, (0, _Node("", (), ())))
        while node.operator == "Identity":
            dropped.add(part)
            part, node = makers.get(node.inputs[0], (0, _Node("", (), ())))
        if node.operator != operator:
            return None
        dropped.add(part)
        name = node.inputs[0]
        if operator != "Softmax":
            constants.append(node.inputs[1])
    if any(constant not in tensors for constant in constants):
        return None
    bias, weights = (_array(tensors[constant]) for constant in constants)
    if weights is None or bias is None or weights.ndim != 2 or bias.shape != weights.shape[1:]:  # noqa: PLR2004  K x C
        return None
    dropped |= {id(tensors[constant]) for constant in constants}
    replaced = {_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SHAPES}
    kept = [part.whole for part in parts if id(part) not in dropped and part.number not in replaced]
    given = _coded(_VALUE_NAME, inputs[0].encode()) + _coded(_VALUE_TYPE, _FLOAT_PLANES_TYPE)
    output = _coded(_VALUE_NAME, name.encode()) + _coded(_VALUE_TYPE, _FLOAT_TENSOR_TYPE)
    cut = _coded(_MODEL_GRAPH, b"".join([*kept, _coded(_GRAPH_INPUT, given), _coded(_GRAPH_OUTPUT, output)]))
    rest = [field.whole for field in fields if field.number != _MODEL_GRAPH]
    return Headless(b"".join([*rest, cut]), weights, bias)


def metadata_of(model: bytes, key: str) -> str:
    """A text of the model's own metadata; empty when it has none by that name.

    Raises:
        ValueError: this is no protobuf message.
    """
    for field in _fields(memoryview(model)):
        if field.number == _MODEL_METADATA and _name(field, _ENTRY_KEY) == key:
            return _name(field, _ENTRY_VALUE)
    return ""


def _node(part: _Field) -> _Node:
    operator, inputs, outputs = "", [], []
    for field in _fields(_bytes(part)):
        if field.number == _NODE_INPUT:
            inputs.append(_text(field))
        elif field.number == _NODE_OUTPUT:
            outputs.append(_text(field))
        elif field.number == _NODE_OPERATOR:
            operator = _text(field)
    return _Node(operator, tuple(inputs), tuple(outputs))


def _array(part: _Field) -> "NDArray[np.float32] | None":
    """A tensor that is kept as raw little-endian float32, which is how exporters write all but tiny ones."""
    fields = list(_fields(_bytes(part)))
    kinds = [field.value for field in fields if field.number == _TENSOR_TYPE]
    raw = [_bytes(field) for field in fields if field.number == _TENSOR_RAW]
    if kinds != [_FLOAT] or len(raw) != 1:
        return None
    shape = [size for field in fields if field.number == _TENSOR_DIMS for size in _sizes(field)]
    return np.frombuffer(raw[0], "<f4").reshape(shape)


def _sizes(field: _Field) -> list[int]:
    """A repeated integer: one by one, or packed."""
    if isinstance(field.value, int):
        return [field.value]
    sizes, place = [], 0
    while place < len(field.value):
        size, place = _varint(field.value, place)
        sizes.append(size)
    return sizes


def _name(part: _Field, number: int) -> str:
    return next((_text(field) for field in _fields(_bytes(part)) if field.number == number), "")


def _text(field: _Field) -> str:
    return bytes(_bytes(field)).decode()


def _bytes(field: _Field) -> memoryview:
    if isinstance(field.value, int):
        raise ValueError("a protobuf field is a number where a message is due")  # noqa: TRY004  what was read is wrong
    return field.value


def _fields(data: memoryview) -> Iterator[_Field]:
    """The fields of one message.

    Raises:
        ValueError: this is no protobuf message.
    """
    place = 0
    while place < len(data):
        start = place
        tag, place = _varint(data, place)
        wire = tag & 7
        value: int | memoryview
        if wire == _VARINT:
            value, place = _varint(data, place)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
            if wire == _LENGTH:
                size, place = _varint(data, place)
            if size < 0 or place + size > len(data):
                raise ValueError("this is no protobuf message")
            value = data[place : place + size]
            place += size
        yield _Field(tag >> 3, wire, value, data[start:place])


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """An integer of 7 bits a byte, low bits first; and the place after it."""
    value = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("a protobuf message ends within a number")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  the last byte has no high bit
            return value, place


def _coded(number: int, value: bytes) -> bytes:
    """A field of bytes with its tag and length."""
    return _coded_varint(number << 3 | _LENGTH) + _coded_varint(len(value)) + value


def _coded_varint(value: int) -> bytes:
    coded = bytearray()
    while value > 0x7F:  # noqa: PLR2004  7 bits a byte
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)

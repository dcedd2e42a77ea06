"""Random damage to ONNX models: bits, lengths, splices, and every field of the message."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias

import onnx
from onnx import AttributeProto

ABSURD = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 7, 10**6, 2**31, 2**62, 2**63 - 1)
DIMS = ("", "?", "-1", "a//0", "((((", "max(", "N" * 5000, "\x00", "a%b", "2**99", "…")
STRINGS = (b"", b"\xff\xfe", b"SAME_UPPER", b"VALID", b"reflect", b"linear")
OP_TYPES = sorted({schema.name for schema in onnx.defs.get_all_schemas()})
Mutation: TypeAlias = Callable[[onnx.ModelProto, random.Random], None]


def damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, the end cut off, or one part of the message spliced into another."""
    data = bytearray(content)
    kind = rng.randrange(3)
    if kind == 0:
        for _ in range(rng.choice((1, 3, 10))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    else:
        begin, at = rng.randrange(len(data)), rng.randrange(len(data))
        data[at:at] = data[begin : begin + rng.randrange(200)]
    return bytes(data)


def damaged(model: onnx.ModelProto, rng: random.Random) -> onnx.ModelProto:
    """A copy with one to four fields changed."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(MUTATIONS)(copied, rng)
    return copied


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those in subgraphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


def _node(model: onnx.ModelProto, rng: random.Random) -> onnx.NodeProto:
    return rng.choice(list(nodes_of(model.graph)))


def _name(model: onnx.ModelProto, rng: random.Random) -> str:
    """The name of a value somewhere in the model: read here, it makes a cycle as often as not."""
    return str(rng.choice([*_node(model, rng).output, "", "nowhere"]))


def _change_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    if attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(ABSURD)
    elif attribute.type == AttributeProto.INTS:
        changed = list(attribute.ints)[rng.randrange(2) :] + [rng.choice(ABSURD)] * rng.randrange(3)
        del attribute.ints[:]
        attribute.ints.extend(changed)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = rng.choice((float("nan"), float("inf"), -1e30, 0.0))
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice(STRINGS)
    else:
        attribute.type = rng.choice(list(AttributeProto.AttributeType.values()))


def _retype_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.attribute:
        rng.choice(node.attribute).type = rng.choice(list(AttributeProto.AttributeType.values()))


def _drop_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]


def _reconnect(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.input:
        node.input[rng.randrange(len(node.input))] = _name(model, rng)


def _drop_input(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.input:
        del node.input[rng.randrange(len(node.input))]


def _add_input(model: onnx.ModelProto, rng: random.Random) -> None:
    _node(model, rng).input.append(_name(model, rng))


def _rename_output(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.output:
        node.output[rng.randrange(len(node.output))] = _name(model, rng)


def _add_output(model: onnx.ModelProto, rng: random.Random) -> None:
    _node(model, rng).output.append(rng.choice(("", "extra")))


def _change_op(model: onnx.ModelProto, rng: random.Random) -> None:
    _node(model, rng).op_type = rng.choice(OP_TYPES)


def _swap_nodes(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in model.graph.node]
    rng.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _change_initializer(model: onnx.ModelProto, rng: random.Random) -> None:
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    kind = rng.randrange(5)
    if kind == 0:
        tensor.dims.append(rng.choice(ABSURD))
    elif kind == 1:
        tensor.data_type = rng.randrange(30)
    elif kind == 2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif kind == 3:
        tensor.name = rng.choice(model.graph.initializer).name
    else:
        model.graph.initializer.remove(tensor)


def _change_input(model: onnx.ModelProto, rng: random.Random) -> None:
    if not model.graph.input:
        return
    info = rng.choice(model.graph.input)
    tensor = info.type.tensor_type
    kind = rng.randrange(5)
    if kind == 0:
        tensor.shape.dim.add(dim_value=rng.choice(ABSURD))
    elif kind == 1:
        tensor.shape.dim.add(dim_param=rng.choice(DIMS))
    elif kind == 2:
        tensor.elem_type = rng.randrange(30)
    elif kind == 3:
        del tensor.shape.dim[:]
    else:
        info.name = rng.choice(model.graph.input).name


def _change_opset(model: onnx.ModelProto, rng: random.Random) -> None:
    model.opset_import[0].version = rng.choice((*ABSURD, 9, 11, 13, 18, 21))


MUTATIONS: tuple[Mutation, ...] = (
    _change_attribute, _change_attribute, _retype_attribute, _drop_attribute, _reconnect,
    _drop_input, _add_input, _rename_output, _add_output, _change_op, _swap_nodes,
    _change_initializer, _change_input, _change_opset,
)  # fmt: skip

"""The other graph optimizers that ours is measured against."""

from __future__ import annotations

import contextlib
import importlib
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx

from edgec.tools import driver


def edgec_model(path: Path) -> onnx.ModelProto:
    """Ours: read, default pipeline, write; as a model in memory."""
    from edgec.lowering.onnx import to_model

    graph = driver.load(path)
    driver.optimize(graph)
    return to_model(graph)


def onnxsim_model(path: Path) -> onnx.ModelProto:
    import onnxsim

    with contextlib.redirect_stdout(io.StringIO()):
        model: onnx.ModelProto = onnxsim.simplify(onnx.load(path))[0]
    return model


def onnxslim_model(path: Path) -> onnx.ModelProto:
    import onnxslim

    with contextlib.redirect_stdout(io.StringIO()):
        model: onnx.ModelProto = onnxslim.slim(str(path))
    return model


def onnxruntime_model(path: Path) -> onnx.ModelProto:
    """onnxruntime's own offline optimization, up to the level that any machine may load."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def onnx_ir_model(path: Path) -> onnx.ModelProto:
    """onnx-ir: its common passes, which clean up and fuse nothing."""
    import onnx_ir
    from onnx_ir.passes import common

    model = onnx_ir.load(path)
    for one in (
        common.LiftConstantsToInitializersPass(),
        common.IdentityEliminationPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
    ):
        model = one(model).model
    made: onnx.ModelProto = onnx_ir.to_proto(model)
    return made


def original_model(path: Path) -> onnx.ModelProto:
    return onnx.load(path)


OPTIMIZERS: Mapping[str, Callable[[Path], onnx.ModelProto]] = {
    "original": original_model,
    "onnxsim": onnxsim_model,
    "onnxslim": onnxslim_model,
    "onnx-ir": onnx_ir_model,
    "onnxruntime": onnxruntime_model,
    "edgec": edgec_model,
}


def _load(*modules: str) -> Callable[[], object]:
    return lambda: [importlib.import_module(module) for module in modules]


# What each optimizer imports, by its name.
LOADED: Mapping[str, Callable[[], object]] = {
    "original": _load("onnx"),
    "onnxsim": _load("onnxsim"),
    "onnxslim": _load("onnxslim"),
    "onnx-ir": _load("onnx_ir.passes.common"),
    "onnxruntime": _load("onnxruntime"),
    "edgec": _load("edgec.lowering.onnx"),
}


def node_count(graph: onnx.GraphProto) -> int:
    """Nodes as onnxruntime would load them: Constant nodes become initializers and do not count,
    those of subgraphs do."""
    inner: int = sum(
        node_count(attribute.g)
        for node in graph.node
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.GRAPH
    )
    own: int = sum(node.op_type != "Constant" for node in graph.node)
    return inner + own

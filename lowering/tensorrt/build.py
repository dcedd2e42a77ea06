"""From a graph to the bytes of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgec.ir import Code, Error, Graph, write_atomically
from edgec.lowering.tensorrt.layers import Network
from edgec.lowering.tensorrt.profiles import Bounds, bounds_of
from edgec.lowering.tensorrt.runtime import gpu_count, logger, package_name, tensorrt
from edgec.lowering.tensorrt.writer import Writer

WORKSPACE = 1 << 30  # bytes that kernels may use beside tensors


@dataclass(frozen=True)
class Settings:
    """How an engine is built.

    Attributes:
        shapes: bounds of inputs with unknown dims, by name.
        capabilities: compute capabilities to build for, 89 for 8.9; TensorRT-RTX's portable set
            when empty. TensorRT itself builds for the GPU that it runs on.
        version_compatible: the engine also loads in later versions, where the package can do that.
        tf32: let float32 products round their operands to 10 bits, which is faster.
        timing_cache: a file that remembers which kernels were fastest; TensorRT on a GPU only.
    """

    shapes: Mapping[str, Bounds] = field(default_factory=dict)
    capabilities: tuple[int, ...] = ()
    version_compatible: bool = False
    tf32: bool = False
    timing_cache: Path | None = None


def to_network(graph: Graph) -> Network:
    """The graph as a network definition. Raises Error when TensorRT is missing or refuses it."""
    return Writer().network(graph)


def build_engine(graph: Graph, settings: Settings | None = None) -> bytes:
    """The bytes of an engine: equal for equal graphs and settings when no kernels are timed, as in
    TensorRT-RTX.

    Raises:
        Error: TensorRT is missing, or refuses the graph or the settings.
    """
    chosen = settings or Settings()
    bounds = bounds_of(graph, chosen.shapes)
    network = to_network(graph)
    _refuse_shape_inputs(network)
    config = network.builder.create_builder_config()
    _configure(config, network, chosen)
    _add_profile(config, network, bounds)
    logger().taken()
    built = network.builder.build_serialized_network(network.definition, config)
    if built is None:
        raise Error(Code.REFUSED, f"TensorRT cannot build the engine: {_said(network)}")
    if chosen.timing_cache is not None:
        data = bytes(config.get_timing_cache().serialize())
        write_atomically(chosen.timing_cache, lambda path: _store(path, data))
    return bytes(built)


def _store(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _said(network: Network) -> str:
    """What TensorRT logged: the layer that it names is the user's own."""
    said = logger().taken()
    return "; ".join(dict.fromkeys(said)) or f"no reason given for {network.definition.name!r}"


def _refuse_shape_inputs(network: Network) -> None:
    """Inputs whose numbers decide shapes would need bounds of their values."""
    definition = network.definition
    inputs = [definition.get_input(i) for i in range(definition.num_inputs)]
    names = [tensor.name for tensor in inputs if tensor.is_shape_tensor]
    if names:
        raise Error(
            Code.RUN_TIME_DIMS,
            f"the numbers in {names} decide the dims of tensors at run time",
            instead="make them constants of the model",
        )


def _configure(config: Any, network: Network, settings: Settings) -> None:
    trt = tensorrt()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if not settings.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if settings.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if package_name() == "tensorrt_rtx":  # whose package carries no lean runtime to include
            config.set_flag(trt.BuilderFlag.EXCLUDE_LEAN_RUNTIME)
    if settings.capabilities:
        _set_capabilities(config, settings.capabilities)
    if settings.timing_cache is not None:
        _set_timing_cache(config, settings.timing_cache)


def _set_capabilities(config: Any, wanted: tuple[int, ...]) -> None:
    if not hasattr(config, "set_compute_capability"):
        raise Error(
            Code.OPTION,
            f"{package_name()} builds for the GPU that it runs on, not for {list(wanted)}",
            instead="leave --sm out, or use TensorRT-RTX (pip install 'edgec[tensorrt]')",
        )
    known = tensorrt().ComputeCapability.__members__
    strange = [number for number in wanted if f"SM{number}" not in known]
    if strange:
        names = sorted(int(n[2:]) for n in known if n.startswith("SM"))
        raise Error(
            Code.OPTION,
            f"{package_name()} does not build for compute capability {strange}",
            instead=f"of {names}",
        )
    config.num_compute_capabilities = len(wanted)
    for place, number in enumerate(wanted):
        config.set_compute_capability(known[f"SM{number}"], place)


def _set_timing_cache(config: Any, path: Path) -> None:
    if package_name() == "tensorrt_rtx" or not gpu_count():
        raise Error(
            Code.OPTION,
            "a timing cache is for TensorRT on a GPU: TensorRT-RTX times no kernels when it builds",
            instead="the runtime cache of the runner",
        )
    data = path.read_bytes() if path.exists() else b""
    config.set_timing_cache(config.create_timing_cache(data), False)


def _add_profile(config: Any, network: Network, bounds: Mapping[str, Bounds]) -> None:
    dynamic = {
        tensor.name
        for index in range(network.definition.num_inputs)
        for tensor in [network.definition.get_input(index)]
        if -1 in tuple(tensor.shape)
    }
    if not dynamic:
        return
    profile = network.builder.create_optimization_profile()
    for name in sorted(dynamic):
        profile.set_shape(name, bounds[name].least, bounds[name].usual, bounds[name].most)
    config.add_optimization_profile(profile)


def write_engine(graph: Graph, path: Path, settings: Settings | None = None) -> None:
    """Write an engine file. Raises Error as ``build_engine``."""
    data = build_engine(graph, settings)
    write_atomically(path, lambda to: _store(to, data))

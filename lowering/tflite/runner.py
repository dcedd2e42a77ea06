"""Running .tflite files in LiteRT's interpreter."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error
from edgec.lowering.tflite.edges import TO_FIRST, TO_LAST
from edgec.lowering.tflite.metadata import said_of
from edgec.lowering.tflite.runtime import interpreter_module

RESOLVERS = {"xnnpack": "AUTO", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
             "reference": "BUILTIN_REF"}  # fmt: skip


class TfliteRunner:
    """A model in LiteRT on the CPU.

    Args:
        model: the path of a .tflite file, or its bytes.
        threads: of the kernels.
        resolver: xnnpack (the default delegate), builtin (LiteRT's optimized kernels), or
            reference (its plain ones, which define the integer arithmetic).
        delegates: paths of delegates to load, such as libedgetpu.so.1, in the order to apply them.
        said: how inputs and outputs were turned, where another program dropped it from the file.

    Raises:
        Error: no runtime is installed, it refuses the model, or a delegate does not load.
    """

    def __init__(
        self,
        model: Path | bytes,
        threads: int = 1,
        *,
        resolver: str = "xnnpack",
        delegates: Sequence[str] = (),
        said: Mapping[str, Any] | None = None,
    ) -> None:
        if resolver not in RESOLVERS:
            raise Error(Code.OPTION, f"resolver is one of {sorted(RESOLVERS)}, found {resolver!r}")
        self.content = model if isinstance(model, bytes) else _read(model)
        self.threads, self.resolver = threads, resolver
        self.delegates = [_delegate(path) for path in delegates]
        self._interpreter = self._load(resolver)
        self._tapped: Any = None
        self._inputs, self._outputs = signature_of(self._interpreter)
        said = said_of(self.content) if said is None else said
        self._turned = frozenset(said.get("nhwc", ()))
        self._integers = frozenset(said.get("integers", ()))
        self.input_names: Sequence[str] = list(self._inputs)
        self.output_names: Sequence[str] = list(self._outputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Inputs and outputs are as the model has them, also of a file that keeps
        the channels of images last, or takes and gives integers in place of floats.

        Raises Error when LiteRT fails on these inputs.
        """
        self._invoke(self._interpreter, inputs)
        return self._results(self._interpreter)

    def run_raw(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, as the file has them: its integers, its layout."""
        self._invoke(self._interpreter, inputs)
        return self._kept(self._interpreter)

    def _kept(self, interpreter: Any) -> dict[str, Array]:
        return {name: _tensor(interpreter, index) for name, index in self._outputs.items()}

    def _results(self, interpreter: Any) -> dict[str, Array]:
        found = self._kept(interpreter)
        for name, index in self._outputs.items():
            if name in self._integers:
                found[name] = _as_numbers(found[name], _grid(interpreter, index))
            if name in self._turned:
                found[name] = found[name].transpose(TO_FIRST)
        return found

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What every operator of the outermost subgraph computes, by name, without a delegate."""
        if self._tapped is None:
            plain = "builtin" if self.resolver == "xnnpack" else self.resolver
            self._tapped = self._load(plain, experimental_preserve_all_tensors=True)
        self._invoke(self._tapped, inputs)
        made = {
            index for operator in self._tapped._get_ops_details() for index in operator["outputs"]
        }
        found = {
            details["name"]: _tensor(self._tapped, details["index"])
            for details in self._tapped.get_tensor_details()
            if details["index"] in made
        }
        return {**found, **self._results(self._tapped)}

    def _as_kept(self, interpreter: Any, name: str, array: Array) -> Array:
        if name in self._turned:
            array = np.ascontiguousarray(array.transpose(TO_LAST))
        index = self._inputs[name]
        details = interpreter._get_tensor_details(index, 0)
        if name not in self._integers or array.dtype != np.float32:
            return array
        return _as_integers(array, details["dtype"], _grid(interpreter, index))

    def _load(self, resolver: str, **options: Any) -> Any:
        module = interpreter_module()
        try:
            return module.Interpreter(
                model_content=self.content,
                num_threads=self.threads,
                experimental_delegates=self.delegates,
                experimental_op_resolver_type=getattr(module.OpResolverType, RESOLVERS[resolver]),
                **options,
            )
        except (ValueError, RuntimeError) as error:
            raise Error(Code.REFUSED, f"LiteRT refuses the model: {error}") from error

    def _invoke(self, interpreter: Any, inputs: Mapping[str, Array]) -> None:
        try:
            given = {n: self._as_kept(interpreter, n, inputs[n]) for n in self._inputs}
            for name, index in self._inputs.items():
                array = given[name]
                details = interpreter._get_tensor_details(index, 0)
                if tuple(details["shape"]) != array.shape:
                    interpreter.resize_tensor_input(index, array.shape)
            interpreter.allocate_tensors()
            for name, index in self._inputs.items():
                interpreter.set_tensor(index, given[name])
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise Error(Code.RUN_FAILED, f"LiteRT fails on these inputs: {error}") from error


def _tensor(interpreter: Any, index: int) -> Array:
    """A copy of a tensor; the interpreter itself gives none that is empty."""
    details = interpreter._get_tensor_details(index, 0)
    if 0 in details["shape"]:
        return np.zeros(tuple(details["shape"]), details["dtype"])
    array: Array = interpreter.get_tensor(index)
    return array


Grid = tuple[float, int]  # scale and zero point; a scale of 0 where there are none


def _grid(interpreter: Any, index: int) -> Grid:
    scale, zero_point = interpreter._get_tensor_details(index, 0)["quantization"]
    return float(scale), int(zero_point)


def _as_integers(array: Array, dtype: Any, grid: Grid) -> Array:
    """Numbers on a grid, halves away from zero, as QUANTIZE puts them there."""
    scale, zero_point = grid
    ratio = (array / np.float32(scale)).astype(np.float64)
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + zero_point
    limits = np.iinfo(dtype)
    integers: Array = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return integers


def _as_numbers(array: Array, grid: Grid) -> Array:
    """What the integers of an output stand for."""
    scale, zero_point = grid
    numbers: Array = (array.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)
    return numbers


def signature_of(interpreter: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs by name: those of the signature where the file has one."""
    signatures = interpreter._get_full_signature_list()
    if signatures:
        found = next(iter(signatures.values()))
        return dict(found["inputs"]), dict(found["outputs"])
    return (
        {details["name"]: details["index"] for details in interpreter.get_input_details()},
        {details["name"]: details["index"] for details in interpreter.get_output_details()},
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror}") from error


def _delegate(path: str) -> Any:
    try:
        ctypes.CDLL(path)  # where this fails, LiteRT's own attempt leaves half an object behind
        return interpreter_module().load_delegate(path)
    except (OSError, ValueError) as error:
        raise Error(Code.NO_DEVICE, f"the delegate {path} does not load: {error}") from error

"""The same files in tflite-runtime 2.14, which wants numpy 1 and an environment of its own.

EDGEC_OLD_TFLITE=1 makes one in a temporary folder (pip downloads 2.5 MB and numpy); the path of the
Python of such an environment uses that one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Array, Graph, Op, Rewriter
from edgec.ir.ops import IntegerLinear
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering import check_artifact
from edgec.lowering.tflite import TfliteRunner, said_of, to_file
from edgec.tools.bench.quant_cases import cases_in

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

PACKAGES = ("tflite-runtime==2.14.0", "numpy<2")
LAST_PYTHON = (3, 11)  # that the package has wheels for
DATA = {
    "mnist_mbv2.raw17": "digits-mbv2",
    "mnist_resnet8.raw17": "digits-resnet8",
    "efficientnet_lite0.ts17": "lite0",
}
NAMES = (*DATA, "mobilenet_v2.raw17")
CALIBRATED, COMPARED = 16, 4

# The interpreter's reference kernels, on what an .npz holds; every tensor goes into another, but
# those that this runtime has added up in place: they hold the sum when it is done.
CHILD = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

model, given, made = sys.argv[1:]
run = Interpreter(
    model_path=model,
    experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    experimental_preserve_all_tensors=True,
)
[signature] = run.get_signature_list()
inputs = run._get_full_signature_list()[signature]["inputs"]
outputs = run._get_full_signature_list()[signature]["outputs"]
arrays = np.load(given)
for name, index in inputs.items():
    run.resize_tensor_input(index, arrays[name].shape)
run.allocate_tensors()
for name, index in inputs.items():
    run.set_tensor(index, arrays[name])
run.invoke()
computed = {i for operator in run._get_ops_details() for i in operator["outputs"]}
named = {d["index"]: d["name"] for d in run.get_tensor_details() if d["index"] in computed}
for operator in run._get_ops_details():
    result = run.get_tensor(operator["outputs"][0])
    for index in operator["inputs"]:
        if index in named and np.array_equal(run.get_tensor(index), result):
            del named[index]
shown = {name: run.get_tensor(index) for index, name in named.items()}
shown.update({name: run.get_tensor(index) for name, index in outputs.items()})
np.savez(made, **{name.replace("/", "|"): array for name, array in shown.items()})
"""


class OldRunner:
    """A file in the interpreter of another environment."""

    def __init__(self, python: Path, model: Path, folder: Path) -> None:
        self.python, self.model, self.folder = python, model, folder
        runner = TfliteRunner(model)
        self.input_names: Sequence[str] = runner.input_names
        self.output_names = runner.output_names
        assert not said_of(runner.content).get("nhwc")

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given, made = self.folder / "given.npz", self.folder / "made.npz"
        np.savez(given, allow_pickle=False, **inputs)
        command = [self.python, "-c", CHILD, self.model, given, made]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(made) as arrays:
            return {name.replace("|", "/"): arrays[name] for name in arrays.files}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        shown = self.run_with_taps(inputs)
        return {name: shown[name] for name in self.output_names}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the old runtime."""
    wanted = os.environ.get("EDGEC_OLD_TFLITE", "")
    if not wanted:
        pytest.skip("makes an environment with tflite-runtime 2.14: set EDGEC_OLD_TFLITE=1")
    if wanted != "1":
        return Path(wanted)
    if sys.version_info[:2] > LAST_PYTHON:
        pytest.skip("tflite-runtime 2.14 has no wheels for Pythons after 3.11")
    folder = tmp_path_factory.mktemp("old")
    venv.create(folder, with_pip=True)
    found = folder / "bin" / "python"
    command = [found, "-m", "pip", "install", "--quiet", *PACKAGES]
    subprocess.run(command, check=True, capture_output=True)
    return found


def samples_of(models: Path, name: str, graph: Graph) -> list[Mapping[str, Array]]:
    """Real pictures for the models that have some."""
    if name not in DATA:
        return [seeded_inputs(graph, seed=seed) for seed in range(COMPARED)]
    case = cases_in(models)[DATA[name]]()
    return [{case.input: sample} for sample in islice(case.calibration, CALIBRATED)]


def by_the_older_rule(graph: Graph) -> Graph:
    """The graph with the sums of fully connected layers rescaled as the old runtime does."""
    changed = graph.clone()
    rewriter = Rewriter(changed)
    for op in list(changed.ops_of(IntegerLinear)):
        rewriter.replace_with(op, op.copy(rounding="fixed"))
    return changed


def results_by_name(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What our kernels compute, by the names that the file gives it."""
    names = {
        operator.source: [tensor.name for tensor in operator.results]
        for operator in to_file(graph).main.operators
    }
    found: dict[str, Array] = {}

    def look(op: Op, results: Sequence[Array]) -> None:
        found.update(zip(names.get(op, ()), map(np.copy, results), strict=False))

    found.update(Executor(graph).run(inputs, tap=look))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_the_same_but_for_the_older_rule(
    models: Path, python: Path, name: str, tmp_path: Path
) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    samples = samples_of(models, name, graph)
    path = tmp_path / "m.tflite"
    made = edgec.compile(graph, "tflite", path, precision="int8", calibration=samples)
    old, expected_of = OldRunner(python, path, tmp_path), by_the_older_rule(made.graph)
    tensors = elements = 0
    for inputs in samples[:COMPARED]:
        expected = results_by_name(expected_of, inputs)
        for layer, array in old.run_with_taps(inputs).items():
            if layer in expected and array.dtype == np.int8:
                np.testing.assert_array_equal(array, expected[layer], layer)
                tensors, elements = tensors + 1, elements + array.size
        for output in old.output_names:
            np.testing.assert_array_equal(old.run(inputs)[output], expected[output], output)
    assert tensors >= 12 * COMPARED
    print(f"{name}: {tensors} tensors, {elements:,} integers, none differs")


@pytest.mark.parametrize("name", NAMES)
def test_floats_are_the_same_layer_by_layer(
    models: Path, python: Path, name: str, tmp_path: Path
) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    path = tmp_path / "m.tflite"
    edgec.compile(graph, "tflite", path)
    found = check_artifact(graph, OldRunner(python, path, tmp_path), per_layer=True)
    assert found.ok
    assert found.first_difference is None
    print(f"{name}: {found.layers_compared} layers")

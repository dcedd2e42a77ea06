"""edgec compile"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path

from edgec.ir import Error, Graph, Kind
from edgec.lowering import Verification, read_npz, target_named
from edgec.passes import PIPELINES, PRESETS
from edgec.tools import config, driver, packaging, report
from edgec.tools.arguments import (
    STANDARD,
    add_images,
    add_model,
    add_watching,
    images_of,
    load_model,
    natural,
    samples_of,
    settings_of,
)
from edgec.tools.data_sources import data_of
from edgec.tools.packaging import add_engine_arguments, engine_options
from edgec.tools.progress import compiling_kernels
from edgec.tools.quant_report import COLUMNS, QuantReport
from edgec.tools.scores import accuracy, labels_in

SHOWN_LAYERS = 20
NPU_OPTIONS = {
    "accelerator_config": "of the NPU, as in ethos-u55-256",
    "system_config": "a system of Vela's configuration",
    "memory_mode": "a memory mode of Vela's configuration",
}
NAME = "compile"
SUMMARY = "optimize a model and write it for a target"
EXAMPLES = """\
  edgec compile model.onnx -t onnx -o out.onnx --verify
  edgec compile model.onnx -t onnx -o out.onnx --input-shape input:1x3x224x224 -O O1
  edgec compile model.onnx -o int8.onnx --precision int8 --calibration images/ --verify
  edgec compile model.onnx -o out.onnx -O O1 --dump-config edgec.toml
  edgec compile --config edgec.toml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    config.add_arguments(parser)
    parser.add_argument("-t", "--target", default="onnx", help="default: onnx")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="OUT", help="the artifact")
    where.add_argument(
        "--package", metavar="DIR", help="a folder that builds the engine on the device (tensorrt)"
    )
    level = parser.add_mutually_exclusive_group()
    level.add_argument("-O", "--level", choices=sorted(PIPELINES), help="a named pipeline")
    level.add_argument("-p", "--pipeline", help="passes, as in cleanup,fuse,dce")
    parser.add_argument(
        "--precision",
        metavar="NAME",
        default="fp32",
        help="; ".join(f"{preset.name}: {preset.summary}" for preset in PRESETS.values()),
    )
    parser.add_argument(
        "--calibration",
        metavar="DIR|X.NPZ|random",
        help="typical inputs that integers are chosen from: a folder of pictures, or arrays by "
        "input name with samples along the first axis; random tries without, and says so",
    )
    parser.add_argument(
        "--labels",
        metavar="ARRAY",
        help="the array of class numbers in --calibration X.npz whose accuracy int8-mixed keeps",
    )
    parser.add_argument(
        "--report",
        action="append",
        metavar="Q.JSON|Q.HTML",
        help="what each layer costs in precision, also on the terminal; may be given for both",
    )
    parser.add_argument(
        "--preprocess",
        action="append",
        default=[],
        metavar="OPTION=…,…",
        help="let the artifact take raw pictures: mean=123.7,116.3,103.5,scale=58.4,57.1,57.4,"
        "layout=nhwc,dtype=u8,reverse_channels=true computes (x - mean) / scale inside; "
        "input=NAME says which of several, each with a --preprocess of its own",
    )
    parser.add_argument("--opset", type=int, help="of the written ONNX (default: 19)")
    parser.add_argument(
        "--io-layout", choices=("nchw", "nhwc"), help="of images that go in and come out (tflite)"
    )
    parser.add_argument(
        "--io-dtype",
        choices=("float", "int8", "uint8"),
        help="of what goes in and comes out of an integer model (tflite)",
    )
    for name, what in NPU_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{what} (ethos-u)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="run the artifact and compare with the reference kernels",
    )
    parser.add_argument("--data", metavar="X.NPZ", help="inputs for --verify, by input name")
    parser.add_argument("--threads", type=natural, default=1)
    parser.add_argument("--save-ir", metavar="DIR", help="write the graph after every pass there")
    add_watching(parser)
    add_images(parser)
    add_engine_arguments(parser)


configure = config.apply


def run(chosen: argparse.Namespace) -> int:
    if chosen.dump_config:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        config.dump(parser, chosen)
        return 0
    target = target_named(chosen.target)
    options = engine_options(chosen)
    if chosen.package is not None:
        return packaging.write(chosen, load_model(chosen.model, chosen.input_shape))
    if chosen.verify:
        target.runtime.require()
    config.warn_of_another_model(chosen)
    begin = time.perf_counter()
    graph = load_model(chosen.model, chosen.input_shape)
    read = time.perf_counter() - begin
    samples = samples_of(chosen, graph)
    names = ("opset", "io_layout", "io_dtype", *NPU_OPTIONS)
    given = {name: getattr(chosen, name) for name in names}
    options |= {name: value for name, value in given.items() if value is not None}
    with _destination(chosen.output, target.suffix) as path, compiling_kernels():
        compiled = driver.compile(
            graph,
            target.name,
            path,
            precision=chosen.precision,
            calibration=chosen.calibration,
            images=images_of(chosen, chosen.model),
            score=_score(chosen, graph),
            preprocess=chosen.preprocess,
            pipeline=chosen.pipeline or chosen.level,
            verify=chosen.verify,
            report=bool(chosen.report),
            samples=samples,
            settings=settings_of(chosen, graph),
            options=options,
            threads=chosen.threads,
        )
    for path in chosen.report or ():
        assert compiled.report is not None, "it was asked for"
        compiled.report.write(Path(path))
    with _messages(chosen.output):
        _print(chosen, compiled, len(graph), {"read": read, **compiled.seconds})
    return 0


def _score(chosen: argparse.Namespace, graph: Graph) -> Callable[[Graph], float] | None:
    """Accuracy on the labels of the calibration data, when they are named."""
    if not chosen.labels:
        return None
    path = Path(chosen.calibration or "")
    if path.suffix != ".npz":
        raise Error(Kind.USAGE, "--labels names an array in the .npz of --calibration")
    data = data_of(path, graph, images_of(chosen, chosen.model))
    return accuracy(data, labels_in(read_npz(path), chosen.labels))


@contextmanager
def _destination(text: str, suffix: str) -> Iterator[Path]:
    """Where to write; what - stands for is copied to standard output at the end."""
    if text != STANDARD:
        yield Path(text)
        return
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        path = Path(folder) / f"model{suffix}"
        yield path
        if len(list(path.parent.iterdir())) > 1:
            raise Error(Kind.USAGE, "this model takes several files", instead=f"-o model{suffix}")
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()


def _messages(output: str) -> AbstractContextManager[object]:
    """Messages go to standard error when the artifact goes to standard output."""
    return redirect_stdout(sys.stderr) if output == STANDARD else nullcontext()


def _print(
    chosen: argparse.Namespace,
    compiled: driver.Compiled,
    ops_before: int,
    seconds: dict[str, float],
) -> None:
    check = compiled.verification
    if chosen.json:
        report.print_json(
            {
                "output": chosen.output,
                "bytes": compiled.size,
                "files": compiled.files,
                "ops_before": ops_before,
                "ops_after": len(compiled.graph),
                "seconds": seconds,
                "passes": report.reports_json(compiled.reports),
                "verification": check and check.as_json(),
                "report": compiled.report and compiled.report.as_json(),
                "caveat": compiled.caveat,
            }
        )
        return
    if chosen.time:
        report.print_table(report.PASS_COLUMNS, report.pass_rows(compiled.reports))
    if chosen.layout_report:
        report.print_moves(compiled.reports)
    took = ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())
    print(
        f"{chosen.output}: {ops_before} ops → {len(compiled.graph)}, "
        f"{report.megabytes(compiled.size)} MB ({took})"
    )
    if compiled.report is not None:
        _print_report(compiled.report)
    if check is not None:
        _print_check(check)
    if compiled.caveat:
        print(f"note: {compiled.caveat}")
    sys.stdout.flush()


def _print_check(check: Verification) -> None:
    what = "what was written" if check.accuracy else "the model"
    print(
        f"verified against the reference kernels on {what}, {check.samples} set(s) of inputs: "
        f"largest difference {check.largest:.1e} of {check.allowed:.1e} allowed"
    )
    for name, comparison in check.outputs.items():
        if name in check.accuracy:
            print(f"  {name}: within {comparison.tolerance.why}")
    for name, found in check.accuracy.items():
        print(f"  {name}: against the float model {found}")


def _print_report(found: QuantReport) -> None:
    """The layers that are most to blame, and what to do about them."""
    rows = found.rows()
    report.print_table(COLUMNS, rows[:SHOWN_LAYERS])
    if len(rows) > SHOWN_LAYERS:
        print(f"… and {len(rows) - SHOWN_LAYERS} layers more in the report's file")
    for name, decibels in found.measured.outputs.items():
        print(f"{name}: {decibels:.1f} dB SQNR on {found.measured.samples} samples")
    for advice in found.advice:
        print(f"try: {advice}")

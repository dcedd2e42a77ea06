"""Inputs and outputs as NVIDIA's Polygraphy keeps them (``--load-inputs``, ``--load-outputs``).

Its JSON, as of Polygraphy 0.49: an array is ``{"array": base64 of an .npy file, "polygraphy_class":
"ndarray"}``; inputs are a list with one mapping per set; outputs are ``RunResults``, a list of
runner names each with its ``IterationResult``s, whose arrays are wrapped once more (``LazyArray``).
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error, Kind, write_atomically
from edgec.tools.goldens.store import Arrays

CLASS = "polygraphy_class"
RUNNER = "edgec"


def write_inputs(sets: Sequence[Arrays], path: Path) -> None:
    """What ``polygraphy run --load-inputs`` reads."""
    _write([{name: _encoded(array) for name, array in one.items()} for one in sets], path)


def write_outputs(sets: Sequence[Arrays], path: Path, runner: str = RUNNER) -> None:
    """What ``polygraphy run --load-outputs`` reads."""
    results = [
        {
            "outputs": {
                name: {"values": _encoded(array), CLASS: "LazyArray"} for name, array in one.items()
            },
            "runtime": None,
            "runner_name": runner,
            CLASS: "IterationResult",
        }
        for one in sets
    ]
    _write({"lst": [[runner, results]], CLASS: "RunResults"}, path)


def read_inputs(path: Path) -> list[dict[str, Array]]:
    """What ``polygraphy run --save-inputs`` wrote. Raises Error when it does not read."""
    content = _read(path)
    if not isinstance(content, list):
        raise _foreign(path)
    return [_arrays(one, path) for one in content]


def read_outputs(path: Path, runner: str | None = None) -> list[dict[str, Array]]:
    """What ``polygraphy run --save-outputs`` wrote: of one runner, the first when None.

    Raises:
        Error: it does not read, or there is no such runner.
    """
    content = _read(path)
    listed = content.get("lst") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        raise _foreign(path)
    runners = {str(name): results for name, results in listed}
    chosen = next(iter(runners)) if runner is None else runner
    if chosen not in runners:
        raise Error(
            Kind.USAGE, f"{path} has no runner {chosen!r}", instead=f"one of {sorted(runners)}"
        )
    return [_arrays(result["outputs"], path) for result in runners[chosen]]


def _encoded(array: Array) -> dict[str, str]:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return {"array": base64.b64encode(file.getvalue()).decode("ascii"), CLASS: "ndarray"}


def _arrays(content: Mapping[str, Any], path: Path) -> dict[str, Array]:
    try:
        return {name: _decoded(entry) for name, entry in content.items()}
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error, EOFError) as error:
        raise _foreign(path) from error


def _decoded(entry: Mapping[str, Any]) -> Array:
    inner = entry.get("values", entry)
    data = base64.b64decode(inner["array"], validate=True)
    found: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _foreign(path) from error


def _write(content: Any, path: Path) -> None:
    text = json.dumps(content, indent=1)
    write_atomically(path, lambda p: _write_text(text, p))


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _foreign(path: Path) -> Error:
    return Error(
        Kind.READ,
        f"{path} is not what Polygraphy writes",
        instead="polygraphy run … --save-inputs inputs.json --save-outputs outputs.json",
    )

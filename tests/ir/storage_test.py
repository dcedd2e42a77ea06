"""Graphs on disk: the sidecar is mapped, what is corrupt is refused, nothing partial is left."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgec.ir import (
    Builder,
    Constant,
    DType,
    Error,
    Graph,
    Kind,
    Quant,
    TensorType,
    dtypes,
    load_text,
    print_graph,
    save_text,
    verify,
    write_atomically,
    write_together,
)


def model(data: object, dtype: DType = dtypes.f32) -> Graph:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 2))
    return b.output(y=x, w=b.const(np.asarray(data).astype(dtype.numpy), hint="w"))


def weight(graph: Graph) -> Constant:
    (constant,) = graph.constants
    return constant


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file may grow beyond so many bytes inside the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_graph_reads_back_and_saves_to_the_same_bytes(tmp_path: Path) -> None:
    graph = model(np.arange(12.0).reshape(3, 4))
    save_text(graph, tmp_path / "a.eir")
    found = load_text(tmp_path / "a.eir")
    verify(found)
    save_text(found, tmp_path / "b.eir")
    for suffix in (".eir", ".safetensors"):
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
        assert first == second


def test_the_sidecar_is_mapped(tmp_path: Path) -> None:
    save_text(model(np.arange(1000.0)), tmp_path / "a.eir")
    array = weight(load_text(tmp_path / "a.eir")).array
    base: object = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert type(base).__name__ == "mmap"
    assert not array.flags.writeable


@pytest.mark.parametrize("shape", [(3, 5), (9,), (0, 12)], ids=str)
@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_weights_of_every_type_keep_their_bytes(
    tmp_path: Path, dtype: DType, shape: tuple[int, ...]
) -> None:
    graph = model(np.arange(np.prod(shape)).reshape(shape), dtype)
    save_text(graph, tmp_path / "a.eir")
    before, after = (weight(g) for g in (graph, load_text(tmp_path / "a.eir")))
    assert after.type == before.type
    assert after.array.tobytes() == before.array.tobytes()
    assert after.array.flags.aligned


def test_a_quantized_scalar_goes_to_the_sidecar(tmp_path: Path) -> None:
    type = TensorType(dtypes.i4, (), Quant((0.5,), (0,), None, -8, 7))
    b = Builder()
    data = np.asarray(3).astype(dtypes.i4.numpy)
    save_text(b.output(y=Constant(data, type=type, hint="w")), tmp_path / "a.eir")
    found = weight(load_text(tmp_path / "a.eir"))
    assert (found.type, int(found.array)) == (type, 3)


def test_equal_weights_are_stored_once(tmp_path: Path) -> None:
    b = Builder()
    same = [b.const(np.ones(1000, np.float32), hint=f"w{i}") for i in range(4)]
    save_text(b.output(**{f"y{i}": c for i, c in enumerate(same)}), tmp_path / "a.eir")
    assert (tmp_path / "a.safetensors").stat().st_size < 5000


def test_a_graph_may_be_saved_over_the_file_it_was_read_from(tmp_path: Path) -> None:
    graph = model(np.arange(5000.0))
    save_text(graph, tmp_path / "a.eir")
    mapped = load_text(tmp_path / "a.eir")
    save_text(mapped, tmp_path / "a.eir")
    assert weight(mapped).weight.same_as(weight(load_text(tmp_path / "a.eir")).weight)


# -- what is corrupt -------------------------------------------------------------------------------


def test_a_missing_sidecar_is_named(tmp_path: Path) -> None:
    save_text(model(np.ones(20)), tmp_path / "a.eir")
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(Error, match="no weights with digest"):
        load_text(tmp_path / "a.eir")


def test_a_changed_byte_in_the_sidecar_is_found(tmp_path: Path) -> None:
    save_text(model(np.ones(20)), tmp_path / "a.eir")
    path = tmp_path / "a.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Error, match="do not have the digest"):
        load_text(tmp_path / "a.eir")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 20, -1])
def test_a_truncated_sidecar_is_refused(tmp_path: Path, keep: int) -> None:
    save_text(model(np.ones(20)), tmp_path / "a.eir")
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(Error, match="cannot read the weights") as caught:
        load_text(tmp_path / "a.eir")
    assert caught.value.kind is Kind.READ


def test_a_sidecar_of_nonsense_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save_text(model(np.ones(20)), tmp_path / "a.eir")
    path = tmp_path / "a.safetensors"
    sound = path.read_bytes()
    for _ in range(200):
        content = bytearray(sound)
        for place in rng.integers(0, len(content), 4):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            load_text(tmp_path / "a.eir")
        except Error:
            continue


def test_a_sidecar_that_names_no_types_is_refused(tmp_path: Path) -> None:
    save_text(model(np.ones(20)), tmp_path / "a.eir")
    path = tmp_path / "a.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"]
    text = json.dumps(header).encode().ljust(length)
    path.write_bytes(content[:8] + text + content[8 + length :])
    with pytest.raises(Error, match="cannot read the weights"):
        load_text(tmp_path / "a.eir")


@pytest.mark.parametrize("content", [b"\xff\xfe", b""], ids=["no text", "empty"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.eir").write_bytes(content)
    with pytest.raises(Error):
        load_text(tmp_path / "a.eir")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"a\.eir"):
        load_text(tmp_path / "a.eir")


# -- the disk refuses ------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_earlier_files_and_leaves_nothing_partial(tmp_path: Path) -> None:
    save_text(model(np.arange(20)), tmp_path / "a.eir")
    before = print_graph(load_text(tmp_path / "a.eir"))
    with full_disk(20_000), pytest.raises(Error, match=r"cannot write .*a\.safetensors"):
        save_text(model(np.ones(100_000)), tmp_path / "a.eir")
    assert print_graph(load_text(tmp_path / "a.eir")) == before
    assert sorted(os.listdir(tmp_path)) == ["a.eir", "a.safetensors"]


def test_text_that_does_not_fit_leaves_the_earlier_weights_too(tmp_path: Path) -> None:
    save_text(model(np.arange(20)), tmp_path / "a.eir")
    before = print_graph(load_text(tmp_path / "a.eir"))
    larger = model(np.arange(50))
    larger.metadata["note"] = "x" * 30_000
    with full_disk(20_000), pytest.raises(Error, match=r"cannot write .*a\.eir"):
        save_text(larger, tmp_path / "a.eir")
    assert print_graph(load_text(tmp_path / "a.eir")) == before


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Error, match="No such file"):
        save_text(model(np.ones(3)), tmp_path / "none" / "a.eir")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", interrupted)
    assert os.listdir(tmp_path) == []


def test_files_written_together_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Error, match="No space left"):
        write_together([(tmp_path / "a", lambda p: p.touch()), (tmp_path / "b", fails)])
    assert os.listdir(tmp_path) == []


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_atomically(tmp_path / "a", lambda p: None)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode

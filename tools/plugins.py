"""Plugins: passes, ops and targets that other packages bring.

A package names its modules under the entry points ``edgec.passes``, ``edgec.ops`` and
``edgec.targets``; importing a module declares what it brings, as importing ours does. A plugin that
cannot be imported is one warning, and what it declared before it failed is taken back.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from edgec.ir import Code, Error, op_classes
from edgec.lowering import TARGETS, Target, register
from edgec.passes import pass_classes

GROUPS = ("edgec.ops", "edgec.targets", "edgec.passes")
"""In the order of loading: passes may be about ops and targets."""
OWN = "edgec"
"""The origin of what edgec itself brings."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that was asked for.

    Attributes:
        name: of the entry point, or of the file.
        origin: the package with its version, or the path.
        declared: names of the passes, ops and targets that it brought, by kind.
        error: why it was not loaded, "" when it was.
    """

    name: str
    origin: str
    declared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""


PLUGINS: list[Plugin] = []
"""Every plugin that was asked for so far, broken ones too."""
_asked: set[tuple[str, str]] = set()


def load_installed() -> list[str]:
    """Load the plugins of all installed packages, each once; returns one warning per broken one."""
    warnings = []
    known = entry_points()
    for group in GROUPS:
        for point in known.select(group=group):
            if (point.value, point.name) not in _asked:
                _asked.add((point.value, point.name))
                plugin = _loaded(point.name, _package(point), point.load)
                if plugin.error:
                    warnings.append(f"plugin {plugin.name!r} ({plugin.origin}): {plugin.error}")
    return warnings


def load_file(path: Path) -> None:
    """Load one file as a plugin.

    Raises:
        Error: it cannot be loaded; unlike installed ones, it was asked for by name.
    """
    plugin = _loaded(path.stem, str(path), lambda: _import_file(path))
    if plugin.error:
        raise Error(Code.PLUGIN, f"cannot load the plugin {path}: {plugin.error}")


def origin_of(kind: str, name: str) -> str:
    """Who brought a pass, an op or a target: ``edgec``, a package, or a file."""
    bringing = (p.origin for p in PLUGINS if name in p.declared.get(kind, ()))
    return next(bringing, OWN)


# -- loading ---------------------------------------------------------------------------------------

_REGISTRIES: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "ops": op_classes,
    "targets": lambda: TARGETS,
    "passes": pass_classes,
}


def _loaded(name: str, origin: str, bring: Callable[[], object]) -> Plugin:
    before = {kind: dict(registry()) for kind, registry in _REGISTRIES.items()}
    guard = _Guard()
    with guard:
        _register(bring())
    if guard.error:
        for kind, registry in _REGISTRIES.items():
            _restore(registry(), before[kind])
    declared = {
        kind: tuple(key for key in registry() if key not in before[kind])
        for kind, registry in _REGISTRIES.items()
    }
    plugin = Plugin(name, origin, declared, guard.error)
    PLUGINS.append(plugin)
    return plugin


def _register(brought: object) -> None:
    """An entry point may name a target itself; passes and ops register by being declared."""
    if isinstance(brought, Target) and brought.name not in TARGETS:
        register(brought)


def _restore(registry: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    assert isinstance(registry, dict), "every registry is a dict"
    registry.clear()
    registry.update(before)


class _Guard:
    """Keeps what somebody else's code raises; a plugin may fail in any way that there is."""

    error = ""

    def __enter__(self) -> _Guard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, (Exception, SystemExit)):
            return False  # nothing, or the user's own interrupt
        self.error = f"{type(error).__name__}: {error}"
        return True


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]  # else a later import of that name would find half a module
        raise
    return module


@contextmanager
def forgotten() -> Iterator[None]:
    """Inside the block plugins can be loaded; after it none of them is known any more (tests)."""
    kept = {kind: dict(registry()) for kind, registry in _REGISTRIES.items()}
    plugins, asked = list(PLUGINS), set(_asked)
    try:
        yield
    finally:
        for kind, registry in _REGISTRIES.items():
            _restore(registry(), kept[kind])
        PLUGINS[:] = plugins
        _asked.clear()
        _asked.update(asked)

"""Device profiles as TOML files: those that come with edgec, and the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.ir import Code, DeviceProfile, Error, register_device_source

FOLDER = Path(__file__).resolve().parent / "data" / "devices"
SUFFIX = ".toml"
_SECTIONS = {
    "macs": None,  # by element type
    "round_to": None,
    "memory": {"rate"},
    "on_chip": {"bytes", "rate"},
    "start": {"seconds"},
}


def device_names() -> list[str]:
    """The devices that come with edgec."""
    return sorted(path.stem for path in FOLDER.glob("*" + SUFFIX))


@register_device_source
def load_device(text: str) -> DeviceProfile:
    """The device of that name, or of that file.

    Raises:
        Error: there is no such device, or the file does not say what a profile needs.
    """
    path = Path(text)
    if path.suffix != SUFFIX:
        path = FOLDER / (text + SUFFIX)
        if text not in device_names():
            raise Error(
                Code.NO_NAME,
                f"there is no device {text!r}",
                instead=f"one of {', '.join(device_names())}, or a {SUFFIX} file of your own",
            )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Error(Code.TOML, f"{text} is no TOML: {error}") from error
    return _profile(path.stem, content)


def _profile(name: str, content: Mapping[str, Any]) -> DeviceProfile:
    known = {"title", "notes", *_SECTIONS}
    _refuse(name, "sections", set(content) - known, known)
    for section, keys in _SECTIONS.items():
        found = content.get(section, {})
        if keys is not None:
            _refuse(name, f"keys in {section}", set(found) - keys, keys)
        wrong = [key for key, number in found.items() if not isinstance(number, int | float)]
        _refuse(name, f"numbers in {section}", set(wrong), {"a number"})
    on_chip = content.get("on_chip", {})
    try:
        return DeviceProfile(
            name=name,
            title=str(content.get("title", name)),
            macs=content["macs"],
            memory_rate=content["memory"]["rate"],
            on_chip_bytes=on_chip.get("bytes", 0),
            on_chip_rate=on_chip.get("rate", 0.0),
            round_to=content.get("round_to", {}),
            op_seconds=content.get("start", {}).get("seconds", 0.0),
            notes=content.get("notes", {}),
        )
    except KeyError as error:
        raise Error(
            Code.TOML, f"device {name} says no {error}", instead="[macs] and memory.rate are needed"
        ) from error
    except ValueError as error:
        raise Error(Code.TOML, f"device {name}: {error}") from error


def _refuse(name: str, what: str, wrong: set[str], known: set[str]) -> None:
    if wrong:
        raise Error(
            Code.TOML,
            f"device {name} has unknown {what}: {', '.join(sorted(wrong))}",
            instead=f"one of {', '.join(sorted(known))}",
        )

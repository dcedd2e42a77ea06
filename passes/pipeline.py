"""The text of a pipeline: ``canonicalize,fold{max_growth=65536},dce``."""

from __future__ import annotations

import re

from edgec.ir import Code, Error
from edgec.passes.base import Pass, make_pass
from edgec.passes.pipelines import PIPELINES

_ITEM = re.compile(r"\s*(?P<name>[A-Za-z0-9_-]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?P<end>,|$)")


def parse_pipeline(text: str) -> list[Pass]:
    """The passes that a text names; a named pipeline stands for its passes.

    Raises:
        Error: the text does not read, or names what does not exist.
    """
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise Error(
                Code.PIPELINE,
                f"cannot read the pipeline at {text[position:]!r}",
                instead="pass,pass{option=value,option=value},…",
            )
        name, options = match["name"], match["options"]
        if name in PIPELINES and options is None:
            passes += PIPELINES[name].passes()
        else:
            passes.append(make_pass(name, _options(options or "")))
        position = match.end()
    return passes


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = item.partition("=")
        if not separator:
            raise Error(Code.PIPELINE, f"pass option {item!r} has no value", instead="name=value")
        found[key.strip()] = value.strip()
    return found


def pipeline_text(passes: list[Pass]) -> str:
    """The inverse of ``parse_pipeline``."""
    return ",".join(map(str, passes))

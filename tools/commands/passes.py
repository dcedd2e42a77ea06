"""edgec passes"""

from __future__ import annotations

import argparse

from edgec.passes import PIPELINES, pass_classes, pipeline_text
from edgec.tools import report
from edgec.tools.plugins import PLUGINS, Plugin, origin_of

NAME = "passes"
SUMMARY = "list every pass with its options and promise, and the named pipelines"
EXAMPLES = """\
  edgec passes
  edgec passes --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(chosen: argparse.Namespace) -> int:
    rows = [
        (name, ", ".join(f"{k}={v}" for k, v in cls.options().items()), str(cls.promise),
         origin_of("passes", name), cls.summary())
        for name, cls in sorted(pass_classes().items())
    ]  # fmt: skip
    pipelines = [(p.name, pipeline_text(p.passes()), p.summary) for p in PIPELINES.values()]
    if chosen.json:
        columns = ("name", "options", "promise", "origin", "summary")
        report.print_json(
            {
                "passes": [dict(zip(columns, row, strict=True)) for row in rows],
                "pipelines": [
                    {"name": name, "passes": text, "summary": summary}
                    for name, text, summary in pipelines
                ],
                "plugins": [vars(plugin) for plugin in PLUGINS],
            }
        )
        return 0
    report.print_table(("pass", "options", "promise", "origin", "what it does"), rows)
    print()
    report.print_table(("pipeline", "passes", "what for"), pipelines)
    if PLUGINS:
        print()
        report.print_table(("plugin", "origin", "brings"), list(map(_plugin_row, PLUGINS)))
    return 0


def _plugin_row(plugin: Plugin) -> tuple[str, str, str]:
    brought = [f"{kind}: {', '.join(names)}" for kind, names in plugin.declared.items() if names]
    return plugin.name, plugin.origin, plugin.error or "; ".join(brought) or "nothing"

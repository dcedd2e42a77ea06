"""One module per subcommand: NAME, SUMMARY, EXAMPLES, add_arguments and run."""

from edgec.tools.commands import (
    check,
    compile,
    inspect,
    ops,
    opt,
    passes,
    run,
    targets,
    verify,
)

COMMANDS = (compile, opt, run, verify, inspect, check, passes, ops, targets)

__all__ = ["COMMANDS"]

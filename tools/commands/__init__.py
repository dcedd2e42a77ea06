"""One module per subcommand: NAME, SUMMARY, EXAMPLES, add_arguments and run."""

from edgec.tools.commands import (
    bisect,
    check,
    compile,
    completion,
    diff,
    doctor,
    explain,
    golden,
    inspect,
    new,
    ops,
    opt,
    passes,
    prune,
    reduce,
    run,
    targets,
    test,
    verify,
)

COMMANDS = (
    compile, opt, prune, run, verify, inspect, check,
    bisect, reduce, diff,
    new, test, golden,
    passes, ops, targets, explain, doctor, completion,
)  # fmt: skip

__all__ = ["COMMANDS"]

"""edgec compiles trained networks for small hardware, each step proved by reference kernels.

>>> import edgec
>>> graph = edgec.parse_graph("graph g(%x: f32[1,4]) { %y = act.relu %x  return y=%y }")
>>> [report.name for report in edgec.optimize(graph, "canonicalize,dce")]
['canonicalize', 'dce']
"""

from edgec.ir import Error, Finding, Graph, Kind, parse_graph, print_graph, verify
from edgec.kernels import Executor, compare, run
from edgec.passes import Pass, PassManager, Pattern, Settings
from edgec.tools.driver import Compiled, compile, load, optimize, save
from edgec.tools.plugins import load_installed as load_plugins
from edgec.tools.scores import accuracy

__version__ = "0.1.0"

__all__ = [
    "Compiled",
    "Error",
    "Executor",
    "Finding",
    "Graph",
    "Kind",
    "Pass",
    "PassManager",
    "Pattern",
    "Settings",
    "__version__",
    "accuracy",
    "compare",
    "compile",
    "load",
    "load_plugins",
    "optimize",
    "parse_graph",
    "print_graph",
    "run",
    "save",
    "verify",
]

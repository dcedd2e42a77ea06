"""What can go wrong, by number: the one list of error codes. ``docs/errors/`` has a page for each,
which ``edgec explain CODE`` prints."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """A family of errors. The driver derives its exit code from it (see ``exit_code``), and the
    hundreds of its codes from the order here: new kinds come last."""

    READ = "read"
    VERIFY = "verify"
    UNSUPPORTED = "unsupported"
    CALIBRATION = "calibration"
    LOWERING = "lowering"
    RUNTIME_MISSING = "runtime missing"
    MISMATCH = "mismatch"
    USAGE = "usage"
    PASS = "pass"

    @property
    def number(self) -> int:
        """The hundreds of its codes."""
        return 1 + list(Kind).index(self)

    @property
    def code(self) -> Code:
        """What an error of this family is called when nothing more precise is said."""
        return next(code for code in Code if code.number == 100 * self.number)

    @property
    def exit_code(self) -> int:
        """1 a check failed, 2 usage, 3 bad or unsupported input, 4 runtime missing."""
        return _EXIT_CODES.get(self, 3)


_EXIT_CODES = {Kind.MISMATCH: 1, Kind.PASS: 1, Kind.USAGE: 2, Kind.RUNTIME_MISSING: 4}


class Code(Enum):
    """A situation that a user can be in, and what to say of it in a line. The hundreds are the
    ``Kind``. Numbers are never used again for something else."""

    CORRUPT = 100, "a file is not what its name says, or is damaged"
    NO_FILE = 101, "a file cannot be opened"
    NO_MODEL = 102, "a model is not in order, or incomplete"
    WEIGHTS = 103, "weights beside a model are missing, too short, or outside its folder"
    TEXT = 104, "a graph in text form cannot be read"
    TOML = 105, "a TOML file cannot be read"
    MEMORY = 106, "there is not enough memory"

    ILL_FORMED = 200, "a graph is not well-formed"
    INTEGERS = 201, "integers cannot hold what the model computes"

    TARGET = 300, "ops cannot go to this target"
    OPERATOR = 301, "an operator of the model cannot be read"
    OPSET = 302, "the model uses another operator set than can be read"
    RUN_TIME_DIMS = 303, "something that must be known now is only known when the model runs"
    PRECISION = 304, "the target, or the model, does not take this precision"
    GOAL = 305, "a model cannot be made that small"
    NO_KERNEL = 306, "an op has no reference kernel"

    NO_DATA = 400, "there are no typical inputs to choose integers from"
    DATA_NAMES = 401, "the arrays do not carry the names of the model's inputs"
    DATA_TYPES = 402, "the arrays are of another type or shape than the model's inputs"
    NOT_FINITE = 403, "the data, or the model on them, are not finite"
    PICTURES = 404, "pictures do not fit the model, or nothing says how"

    NOT_WRITTEN = 500, "a file cannot be written"
    REFUSED = 501, "a runtime, or a device's compiler, refuses the artifact"
    TOO_LARGE = 502, "the artifact is larger than its format can say"

    NOT_INSTALLED = 600, "a package that this command needs is not installed"
    NO_DEVICE = 601, "a device is not found on this machine"

    DIFFERS = 700, "something computes other numbers than the model"
    RUN_FAILED = 701, "a runtime fails on these inputs"
    VALUES = 702, "an op cannot run on these values"

    USAGE = 800, "the command or its arguments make no sense together"
    NO_NAME = 801, "there is no pass, target, device or precision of that name"
    OPTION = 802, "an option does not exist, or does not take this value"
    PIPELINE = 803, "a pipeline cannot be read"
    INPUTS = 804, "inputs or shapes do not fit the model"
    SUFFIX = 805, "a file's name does not say a format, or another one"
    CONFIG = 806, "a configuration says something that the command does not know"
    PLUGIN = 807, "a plugin cannot be loaded"
    ARGUMENTS = 808, "the command line cannot be read"
    NOTHING_TO_FIND = 809, "there is nothing to search for"
    MISSING_STEP = 810, "a pass builds on another one that has not run"

    PASS_FAILED = 900, "a pass failed"
    PROMISE = 901, "a pass broke its promise about numbers"
    NEEDS = 902, "what a pass needs, or gives, does not hold"
    ENDLESS = 903, "rewrites do not come to an end"
    ILLEGAL_OP = 904, "a rule built an op that cannot be"

    def __init__(self, number: int, title: str) -> None:
        self.number = number
        self.title = title

    def __str__(self) -> str:
        """As in ``error[E301]``."""
        return f"E{self.number}"

    @property
    def kind(self) -> Kind:
        return next(kind for kind in Kind if kind.number == self.number // 100)

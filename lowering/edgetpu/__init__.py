"""Coral's Edge TPU: what it computes, as data; rewrites, the partition, compiler, device."""

from edgec.lowering.edgetpu.compiler import CompilerLog, differences, explained, parse_log
from edgec.lowering.edgetpu.files import edgetpu_file, write_edgetpu
from edgec.lowering.edgetpu.ops import MISSING, ROWS, Limit, Row
from edgec.lowering.edgetpu.partition import Partition, partition
from edgec.lowering.edgetpu.rewrites import SUMMARIES
from edgec.lowering.edgetpu.runtime import delegate_library, pycoral_status
from edgec.lowering.edgetpu.target import EDGETPU_TARGET

__all__ = [
    "EDGETPU_TARGET",
    "MISSING",
    "ROWS",
    "SUMMARIES",
    "CompilerLog",
    "Limit",
    "Partition",
    "Row",
    "delegate_library",
    "differences",
    "edgetpu_file",
    "explained",
    "parse_log",
    "partition",
    "pycoral_status",
    "write_edgetpu",
]

"""Building graphs without the cyclic garbage collector looking over our shoulder.

An op and the values around it are half a dozen objects that refer to each other, and while a graph
is read or copied none of them is garbage: collections that start meanwhile walk over all of them in
vain, and take longer the larger the graph is.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No cyclic collection starts inside the block."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

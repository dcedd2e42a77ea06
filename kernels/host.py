"""What this machine's CPU does to integers in the runtimes of others."""

from __future__ import annotations

from functools import cache


@cache
def adds_bytes_in_16_bits() -> bool:
    """Whether sums of u8·s8 products may saturate here: x86 without VNNI has one instruction for
    them, ``vpmaddubsw``, which adds two products in 16 bits (Intel SDM, PMADDUBSW)."""
    from llvmlite.binding import get_host_cpu_features  # slow to import, and rarely asked

    features = get_host_cpu_features()
    return bool(features.get("ssse3")) and not (
        features.get("avx512vnni") or features.get("avxvnni")
    )

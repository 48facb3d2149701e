"""Cell keys that were written down once; as a program it prints them."""

from __future__ import annotations

import sys

from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.matrix import cell_key
from tests.support.factories import X86, case, device, workload


def known_keys() -> list[str]:
    """Answer the key of a case on a device, and of another on a type with options."""
    gemm = case(workload("gemm", sizes=("small",)), size="small")
    return [
        cell_key(gemm, Mode(Runtime.NATIVE), device("local")),
        cell_key(case(), Mode(Runtime.AOT, simd=False, kernels="best"), X86),
    ]


if __name__ == "__main__":
    sys.stdout.write("".join(f"{key}\n" for key in known_keys()))

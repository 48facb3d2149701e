"""What each mode costs: gemm at a layer's size in all modes, interleaved in one run."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.farms import scratch_farm
from benchmarks.report import Figure, tell

#: Five fresh processes each, in blocks that hold every mode once.
MATRIX = """\
name: benchmark-gemm
workloads: [gemm]
modes:
  - wamr-classic
  - wamr-fast
  - wamr-aot[simd=false]
  - wamr-aot
  - {mode: wamr-aot, kernels: plain}
  - {mode: wamr-aot, kernels: tiled}
  - native
  - {mode: native, kernels: tiled}
  - {mode: native, cpu: x86-64-v2}
devices: [local]
parameters: {size: layer}
attempts: 5
warmups: 1
repeats: 3
"""
#: The limit the project sets itself.
KERNEL_LIMIT = 1.05
SIMD_LIMIT = 1.3
#: 2 m n k of 128 x 576 x 2704.
GFLOP = 2 * 128 * 576 * 2704 / 1e9


def main() -> int:
    """Run the matrix, print the table of all modes, judge two ratios."""
    with scratch_farm() as farm:
        results = farm.run_matrix(MATRIX)
    medians = {str(result["mode"]): _median_s(result) for result in results}
    regions = {result["execute_s"]["region"] for result in results}
    if len(regions) != 1:
        print(f"FAIL: medians of different kinds cannot be compared: {sorted(regions)}")
        return 1
    return tell(
        f"gemm 128x576x2704, medians of 5 fresh processes, region {regions.pop()}",
        [*_table(medians), *_ratios(medians)],
    )


def _median_s(result: dict[str, Any]) -> float:
    execute = result["execute_s"]
    return float("nan") if execute is None else float(execute["median"])


def _table(medians: dict[str, float]) -> list[Figure]:
    return [
        figure
        for mode, median_s in medians.items()
        for figure in (
            Figure(mode, median_s * 1e3, "ms"),
            Figure(f"{mode}, speed", GFLOP / median_s, "GFLOP/s", direction="more"),
        )
    ]


def _ratios(medians: dict[str, float]) -> list[Figure]:
    native, held = medians["native"], medians["native[cpu=x86-64-v2]"]
    tiled = medians["wamr-aot[kernels=tiled]"]
    return [
        # The same C loop and the same tiled kernel on both sides; then the user's view of it.
        Figure(
            "AOT with plain kernel / native",
            medians["wamr-aot[kernels=plain]"] / native,
            "times",
            KERNEL_LIMIT,
            base="native",
        ),
        Figure(
            "AOT with tiled kernel / native with it",
            tiled / medians["native[kernels=tiled]"],
            "times",
            KERNEL_LIMIT,
            base="native[kernels=tiled]",
        ),
        Figure(
            "AOT with best kernel / native", tiled / native, "times", KERNEL_LIMIT, base="native"
        ),
        Figure(
            "AOT SIMD / native x86-64-v2",
            medians["wamr-aot"] / held,
            "times",
            SIMD_LIMIT,
            base="native[cpu=x86-64-v2]",
        ),
        Figure("AOT SIMD / native", medians["wamr-aot"] / native, "times", base="native"),
    ]


if __name__ == "__main__":
    sys.exit(main())

"""How long the demo takes: `scripts/demo` with an empty build cache, then again with it filled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.farms import ROOT
from benchmarks.report import Figure, tell

#: For a demo that waits for nothing but its own attempts: three architectures, warm.
WARM_LIMIT_S = 120.0
#: Four libcs, three WAMRs and an LLVM driver on two busy cores.
_LONGEST_S = 3600.0


def main() -> int:
    """Run the demo twice over one build cache that starts empty."""
    with tempfile.TemporaryDirectory(prefix="farm-benchmark-") as cache:
        cold_s = _demo_s(cache)
        warm_s = _demo_s(cache)
    return tell(
        "scripts/demo to the end of its table",
        [
            Figure("cold: nothing built before", cold_s, "s"),
            Figure("warm: everything built before", warm_s, "s", WARM_LIMIT_S),
        ],
    )


def _demo_s(cache: str) -> float:
    begin = time.monotonic()
    subprocess.run(
        [ROOT / "scripts" / "demo"],
        check=True,
        timeout=_LONGEST_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "FARM_CACHE_DIR": cache},
    )
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())

"""How long a change waits for its judge: `scripts/check`, which is all that CI runs."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.farms import ROOT, user_environment
from benchmarks.report import Figure, tell

#: The limit the project sets itself: 25 minutes. CI adds a clone, and what its machine is slower.
LIMIT_S = 1500.0


def main() -> int:
    """Run it once; a check that fails has no time."""
    begin = time.monotonic()
    done = subprocess.run(
        [ROOT / "scripts" / "check"],
        check=False,
        stdin=subprocess.DEVNULL,
        env=user_environment(),
    )
    took_s = time.monotonic() - begin
    if done.returncode != 0:
        print(f"FAIL: scripts/check ended with exit code {done.returncode} after {took_s:.0f} s")
        return 1
    return tell("scripts/check, all of it", [Figure("scripts/check", took_s, "s", LIMIT_S)])


if __name__ == "__main__":
    sys.exit(main())

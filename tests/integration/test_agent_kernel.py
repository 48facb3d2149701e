"""An agent on a kernel that lacks what it stands on says so in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.__main__ import EXIT_UNAVAILABLE

ROOT = Path(__file__).resolve().parents[2]
#: prctl's number in asm/unistd.h.
PRCTL = {"x86_64": 157, "aarch64": 167}
#: Has the kernel answer EINVAL to PR_SET_CHILD_SUBREAPER, as qemu-user does, then is the agent.
BEGIN = """\
import ctypes, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
filter = [
    (LOAD, 0, 0, 0),
    (EQUAL, 0, 3, int(sys.argv[1])),
    (LOAD, 0, 0, 16),
    (EQUAL, 0, 1, 36),
    (RETURN, 0, 0, 0x00050000 | 22),
    (RETURN, 0, 0, 0x7FFF0000),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in filter))
program = struct.pack("@HP", len(filter), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(f"no filter: {ctypes.get_errno()}")
from agent.__main__ import main
sys.exit(main(["--config", sys.argv[2]]))
"""


def test_a_kernel_that_keeps_orphans_is_told(tmp_path: Path) -> None:
    """Exit code 3 and the call that failed, in place of a trace."""
    number = PRCTL.get(os.uname().machine)
    if number is None:
        pytest.skip(f"prctl's number on {os.uname().machine} is not known here")
    names = ("certificate", "key", "ca")
    config = {"farm_id": "f", "address": "127.0.0.1:1", "device": "d", "folder": tmp_path / "d"}
    text = "".join(f'{key} = "{value}"\n' for key, value in config.items())
    text += "".join(f'{name} = "{tmp_path / name}"\n' for name in names)
    (tmp_path / "agent.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", BEGIN, str(number), str(tmp_path / "agent.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.stderr.startswith("no filter"):
        pytest.skip("this kernel takes no seccomp filter")
    assert (done.returncode, done.stderr) == (
        EXIT_UNAVAILABLE,
        "agent: no kernel that hands over orphans (PR_SET_CHILD_SUBREAPER: Invalid argument)\n",
    )

"""Wrong turns with what a workload.yaml says of output and limits."""

from __future__ import annotations

from tests.acceptance.wrong_turns.workload import turn
from tests.support.wrongturns import Link

TURNS = (
    turn(
        "outputs: above the folder",
        "HOME/workloads/mine/workload.yaml:4: '../out': write a relative path, such as"
        " out/result.txt",
        outputs="[../out]",
    ),
    turn(
        "outputs: absolute",
        "HOME/workloads/mine/workload.yaml:4: '/tmp/out': write a relative path, such as"
        " out/result.txt",
        outputs="[/tmp/out]",
    ),
    turn(
        "outputs: a name too long",
        "HOME/workloads/mine/workload.yaml:4:"
        " 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn ...: a name takes 255"
        " bytes at most, a path 2048",
        outputs=f"[{300 * 'n'}]",
    ),
    turn(
        "outputs: one twice",
        "HOME/workloads/mine/workload.yaml:4: 'out' is listed twice: keep one of them",
        outputs="[out, out]",
    ),
    turn(
        "outputs: an unknown parameter",
        "HOME/workloads/mine/workload.yaml:4: unknown parameter 'size' in '{size}.txt':"
        " none is known here",
        outputs="['{size}.txt']",
    ),
    turn(
        "output: an unknown checker",
        "HOME/workloads/mine/workload.yaml:4: unknown key 'exat': did you mean 'exact'?",
        output="{exat: m.c}",
    ),
    turn(
        "output: no checker",
        "HOME/workloads/mine/workload.yaml:4: write one of exact, digest and tolerance,"
        " and 'of' beside it",
        output="{}",
    ),
    turn(
        "output: two checkers",
        "HOME/workloads/mine/workload.yaml:4: write one of exact, digest and tolerance,"
        " and 'of' beside it",
        output="{exact: m.c, digest: m.c}",
    ),
    turn(
        "output: an expected file that is not there",
        "HOME/workloads/mine/workload.yaml:4: no file right.txt: write the right output there",
        argv="plan m.yaml",
        output="{exact: right.txt}",
    ),
    turn(
        "output: an expected file above the folder",
        "HOME/workloads/mine/workload.yaml:4: '../../m.yaml' leads out of the folder: copy"
        " the file into it",
        output="{exact: ../../m.yaml}",
    ),
    turn(
        "output: an expected file by a link out",
        "HOME/workloads/mine/workload.yaml:4: right.txt leads out of the folder by a link:"
        " copy the file into it",
        {"right.txt": Link("../../m.yaml")},
        argv="plan m.yaml",
        output="{exact: right.txt}",
    ),
    turn(
        "output: a digest that is none",
        "HOME/workloads/mine/workload.yaml:4: m.c holds no sha256: write what sha256sum prints",
        argv="plan m.yaml",
        output="{digest: m.c}",
    ),
    turn(
        "output: a tolerance of nothing",
        "HOME/workloads/mine/workload.yaml:4: nothing is tolerated: write relative or"
        " absolute, or exact",
        output="{tolerance: {expected: m.c}}",
    ),
    turn(
        "output: a tolerance below 0",
        "HOME/workloads/mine/workload.yaml:4: 'relative' is -1: write a number from 0",
        output="{tolerance: {expected: m.c, relative: -1}}",
    ),
    turn(
        "output: a tolerance beyond any float",
        "HOME/workloads/mine/workload.yaml:4: not a finite number: write one that is",
        output="{tolerance: {expected: m.c, relative: 1e309}}",
    ),
    turn(
        "output: a tolerance of what holds no number",
        "HOME/workloads/mine/workload.yaml:4: right.txt holds no number to be close to:"
        " use exact, or write the right output",
        {"right.txt": "none\n"},
        argv="plan m.yaml",
        output="{tolerance: {expected: right.txt, relative: 1}}",
    ),
    turn(
        "output: of what is no output",
        "HOME/workloads/mine/workload.yaml:4: 'out' is not among the outputs: did you mean 'ou'?",
        output="{exact: m.c, of: out}",
        outputs="[ou]",
    ),
    turn(
        "output: of, without outputs",
        "HOME/workloads/mine/workload.yaml:4: 'out' is not among the outputs: list it there",
        output="{exact: m.c, of: out}",
    ),
    turn(
        "output.top_k: which is later",
        "HOME/workloads/mine/workload.yaml:4: 'top_k' is not supported yet: remove it"
        " (exact, digest and tolerance are the checkers so far)",
        output="{top_k: 5}",
    ),
    turn(
        "metrics: which is later",
        "HOME/workloads/mine/workload.yaml:4: 'metrics' is not supported yet: remove it"
        " (time and memory are what is measured so far)",
        metrics="[energy]",
    ),
    turn(
        "limits: an unknown key",
        "HOME/workloads/mine/workload.yaml:4: unknown key 'timeout': did you mean 'timeout_s'?",
        limits="{timeout: 1}",
    ),
    turn(
        "limits: timeout_s of 0",
        "HOME/workloads/mine/workload.yaml:4: 'timeout_s' is 0: write a number of seconds"
        " above 0, at most 86400",
        limits="{timeout_s: 0}",
    ),
    turn(
        "limits: memory_bytes with a unit",
        "HOME/workloads/mine/workload.yaml:4: 'memory_bytes' is '1GiB': write a whole"
        " number from 65536 to 1125899906842624",
        limits="{memory_bytes: 1GiB}",
    ),
    turn(
        "limits: output_bytes beyond any upload",
        "HOME/workloads/mine/workload.yaml:4: 'output_bytes' is 1000000000000: write a"
        " whole number from 1 to 1073741824",
        limits="{output_bytes: 1000000000000}",
    ),
    turn(
        "limits: processes of none",
        "HOME/workloads/mine/workload.yaml:4: 'processes' is 0: write a whole number from"
        " 1 to 100000",
        limits="{processes: 0}",
    ),
    turn(
        "limits: stack_bytes of 1",
        "HOME/workloads/mine/workload.yaml:4: 'stack_bytes' is 1: write a whole number"
        " from 262144 to 1073741824",
        limits="{stack_bytes: 1}",
    ),
    turn(
        "a misspelt key",
        "HOME/workloads/mine/workload.yaml:4: unknown key 'argument': did you mean 'arguments'?",
        argument="[a]",
    ),
)

"""Wrong turns with the arguments of commands that measure, build and begin."""

from __future__ import annotations

from tests.support.wrongturns import Content, Folder, WrongTurn

_QUICK = "int main(void) { return 0; }\n"
_FILES: dict[str, Content] = {"quick.c": _QUICK, "folder": Folder(), "in": "1\n"}


def _turn(argv: str, says: str, code: int = 2) -> WrongTurn:
    return WrongTurn(argv, argv, says, code, files=_FILES)


TURNS = (
    _turn(
        "run quick.c -- \udcff",
        "'\\udcff' is not UTF-8 text: rename it, or write it so",
    ),
    _turn("rnu quick.c", "No such command 'rnu'. Did you mean 'run'?; see: farm --help"),
    _turn(
        "--frm . runs list", "No such option: --frm (Possible options: --farm); see: farm --help"
    ),
    _turn("--farm", "Option '--farm' requires an argument; see: farm --help"),
    _turn("--farm folder runs list", "folder is no farm: make one with `farm init folder`"),
    _turn("--farm gone runs list", "gone is no farm: make one with `farm init gone`"),
    _turn(
        "--color sometimes runs list",
        "Invalid value for '--color': 'sometimes' is not one of 'auto', 'always', 'never';"
        " see: farm --help",
    ),
    _turn("up now", "Got unexpected extra argument(s) (now); see: farm up --help"),
    _turn("up --prot 1", "No such option: --prot; see: farm up --help"),
    _turn("demo fast", "Got unexpected extra argument(s) (fast); see: farm demo --help"),
    _turn("doctor now", "Got unexpected extra argument(s) (now); see: farm doctor --help"),
    _turn(
        "doctor --jsn", "No such option: --jsn (Possible options: --json); see: farm doctor --help"
    ),
    _turn("init", "HOME/farm.toml is there already: nothing was changed; choose another folder"),
    _turn(
        "init quick.c",
        "HOME/quick.c: cannot make a farm (Not a directory): choose a folder you can write",
    ),
    _turn(
        "init quick.c/farm",
        "HOME/quick.c/farm: cannot make a farm (Not a directory): choose a folder you can write",
    ),
    _turn(
        "init new --database mysql://root:secret@db/farm",
        "not a database this version knows: 'mysql'; write"
        " sqlite:////absolute/path/farm.db or postgresql://USER@HOST:PORT/NAME",
    ),
    _turn("init new extra", "Got unexpected extra argument(s) (extra); see: farm init --help"),
    _turn("run", "name a matrix (.yaml), a program (.wasm, .c, ELF, folder) or --resume"),
    _turn("run quick.c --repeats", "Option '--repeats' requires an argument; see: farm --help"),
    _turn(
        "run quick.c --repeats some",
        "Invalid value for '--repeats': 'some' is no whole number; see: farm run --help",
    ),
    _turn(
        "run quick.c --repeats 0",
        "Invalid value for '--repeats': 0 is not in the range x>=1; see: farm run --help",
    ),
    _turn(
        "run quick.c --repeats 99999999999999999999",
        "--repeats 99999999999999999999: write a whole number from 1 to 1000000",
    ),
    _turn(
        "run quick.c --attempts 0",
        "Invalid value for '--attempts': 0 is not in the range x>=1; see: farm run --help",
    ),
    _turn(
        "run quick.c --attempts 10001", "--attempts 10001: write a whole number from 1 to 10000"
    ),
    _turn(
        "run quick.c --warmups -1",
        "Invalid value for '--warmups': -1 is not in the range x>=0; see: farm run --help",
    ),
    _turn(
        "run quick.c --warmups 1e3",
        "Invalid value for '--warmups': '1e3' is no whole number; see: farm run --help",
    ),
    _turn(
        "run quick.c --timeout nan",
        "--timeout nan: write a number of seconds above 0, at most 86400",
    ),
    _turn(
        "run quick.c --timeout inf",
        "--timeout inf: write a number of seconds above 0, at most 86400",
    ),
    _turn(
        "run quick.c --timeout 1e309",
        "--timeout inf: write a number of seconds above 0, at most 86400",
    ),
    _turn(
        "run quick.c --timeout 0",
        "Invalid value for '--timeout': 0.0 is not in the range x>=0.001; see: farm run --help",
    ),
    _turn(
        "run quick.c --memory lots",
        "--memory 'lots': write a whole number of bytes, or 64K, 256M, 2G",
    ),
    _turn("run quick.c --memory 1", "--memory 1: write from 65536 to 1125899906842624 bytes"),
    _turn(
        "run quick.c --memory 9999999T",
        "--memory '9999999T': write a size above 0, and below an exabyte",
    ),
    _turn(
        "run quick.c --output-bytes 0",
        "--output-bytes '0': write a size above 0, and below an exabyte",
    ),
    _turn(
        "run quick.c --output-bytes 2G",
        "--output-bytes 2147483648: write from 1 to 1073741824 bytes",
    ),
    _turn(
        "run quick.c --output ../out",
        "--output ../out: write a relative path, such as out/result.txt",
    ),
    _turn("run quick.c --output ''", "--output : write a relative path, such as out/result.txt"),
    _turn(
        "run quick.c --mode nativ", "--mode nativ: unknown mode 'nativ': did you mean 'native'?"
    ),
    _turn(
        "run quick.c --mode wamr-aot+kernels",
        "no device can take any of its cells: quick has no kernels",
    ),
    _turn(
        "run quick.c --mode 'native[opt=9]'",
        "--mode native[opt=9]: in 'native[opt=9]' 'opt' is 9: write a whole number from 0 to 3",
    ),
    _turn(
        "run quick.c --device locl", "--device locl: unknown device 'locl': did you mean 'local'?"
    ),
    _turn(
        "run quick.c --device ''",
        "--device : unknown device '': known are local, emu-aarch64, emu-armv7",
    ),
    _turn("run quick.c --stdin gone", "no file HOME/gone for --stdin: check the path"),
    _turn("run quick.c --stdin folder", "no file HOME/folder for --stdin: check the path"),
    _turn("run quick.c --dir gone::d", "--dir HOME/gone::d: no folder HOME/gone; check the path"),
    _turn("run quick.c --dir in::d", "--dir HOME/in::d: no folder HOME/in; check the path"),
    _turn("run quick.c --dir folder", "'folder' is not HOST::GUEST, such as /srv/data::data"),
    _turn(
        "run quick.c --dir folder::../d",
        "--dir HOME/folder::../d: write a relative guest name, such as HOME/folder::folder",
    ),
    _turn(
        "run quick.c --dir .::d",
        "HOME holds the farm's own data, its keys included: grant a folder beside it",
    ),
    _turn(
        "run quick.c --dir data/trust::d",
        "HOME/data/trust holds the farm's own data, its keys included: grant a folder beside it",
    ),
    _turn("run quick.c --env LEVEL", "'LEVEL' is not K=V, such as LEVEL=2"),
    _turn(
        "run quick.c --env 1=2",
        "--env 1=..: '1' is no variable's name: write letters, digits and '_'",
    ),
    _turn(
        "run quick.c --env FARM_ATTEMPT=1",
        "--env FARM_ATTEMPT=..: the farm sets FARM_ATTEMPT itself: choose another name",
    ),
    _turn("run quick.c --source gone.c", "HOME/gone.c: no such file: check the path"),
    _turn(
        "run quick.c --set repeats=3", "--set is for a matrix; a program has options of its own"
    ),
    _turn("run quick.c --resume 1", "--resume takes a run's own order and nothing else"),
    _turn("run --resume 1", "no run 1; see: farm runs list"),
    _turn(
        "run --resume one",
        "Invalid value for '--resume': 'one' is no whole number; see: farm run --help",
    ),
    _turn("run quick.c --farm folder", "folder is no farm: make one with `farm init folder`"),
    _turn(
        "run quick.c --detach",
        "no orchestrator of this farm is running; start one with: farm up",
        3,
    ),
    _turn(
        "run quick.c --jsno",
        "No such option: --jsno (Possible options: --json, --stdin); see: farm run --help",
    ),
    _turn(
        "run folder",
        "HOME/folder: a folder without workload.yaml, C files and .wasm: name a .wasm, a C"
        " file or an ELF",
    ),
    _turn("plan", "name a matrix (.yaml), a program (.wasm, .c, ELF, folder) or --resume"),
    _turn("build quick.c", "HOME/quick.c: a program, not a matrix: `farm run` measures it"),
    _turn(
        "build --arch arm64",
        "inventory.yaml has no device of arch arm64; it has aarch64, armv7, x86_64",
    ),
    _turn(
        "build --workload gem",
        "there is no workload gem; there are dispatch, gemm, grow, hash, interpreter,"
        " modular64, nbody, noop, records, sort",
    ),
    _turn("build m.yaml --arch x86_64", "name a matrix, or --arch and --workload, not both"),
    _turn("build --set repeats=1", "--set is for a matrix; name one"),
    _turn("workloads", "Missing command; see: farm workloads --help"),
    _turn("workloads show", "Missing argument 'WORKLOAD'; see: farm workloads show --help"),
    _turn("workloads show gem", "there is no workload gem: did you mean 'gemm'?"),
    _turn(
        "workloads lst", "No such command 'lst'. Did you mean 'list'?; see: farm workloads --help"
    ),
    _turn(
        "workloads list gemm",
        "Got unexpected extra argument(s) (gemm); see: farm workloads list --help",
    ),
    _turn("workloads new mine", "Missing option '--from'; see: farm workloads new --help"),
    _turn(
        "workloads new 'my own' --from quick.c",
        "'my own' is no workload's name: write a name of letters, digits, '.', '_' and '-'",
    ),
    _turn(
        "workloads new ../mine --from quick.c",
        "'../mine' is no workload's name: write a name of letters, digits, '.', '_' and '-'",
    ),
    _turn(
        "workloads new '' --from quick.c",
        "'' is no workload's name: write a name of letters, digits, '.', '_' and '-'",
    ),
    _turn(
        "workloads new gemm --from quick.c",
        "there is a workload gemm already: choose another name",
    ),
    _turn("workloads new mine --from gone.c", "HOME/gone.c: no such file: check the path"),
    _turn(
        "workloads new mine --from in",
        "HOME/in: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "workloads new mine --from quick.c --expect gone",
        "no file gone for --expect: check the path",
    ),
    _turn(
        "workloads new mine --from quick.c --stdin gone",
        "no file HOME/gone for --stdin: check the path",
    ),
    _turn(
        "workloads new mine --from quick.c --repeats 3",
        "No such option: --repeats (Possible options: --expect); see: farm workloads new --help",
    ),
    _turn(
        "completion",
        "Missing argument 'bash|zsh|fish'. Choose from: bash, zsh, fish; see: farm"
        " completion --help",
    ),
    _turn(
        "completion tcsh",
        "Invalid value for 'bash|zsh|fish': 'tcsh' is not one of 'bash', 'zsh', 'fish';"
        " see: farm completion --help",
    ),
    _turn("help rnu", "there is no command 'rnu': did you mean 'run'?"),
    _turn("help runs lst", "there is no command 'runs lst': did you mean 'runs list'?"),
)

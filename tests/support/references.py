"""What the workloads must print, worked out another way than their C does."""

from __future__ import annotations

import hashlib
import math
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

_64 = 2**64 - 1
_WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"
#: FNV-1a's constants.
_OFFSET, _PRIME = 14695981039346656037, 1099511628211


def expected(workload: str, size: str) -> str:
    """What is committed for a workload to print."""
    return (_WORKLOADS / workload / "expected" / f"{size}.txt").read_text(encoding="ascii")


def _draws() -> Iterator[int]:
    """Knuth's MMIX generator from 1, which all workloads use."""
    seed = 1
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) & _64
        yield seed


def hash_text(size: str) -> str:
    """By hashlib."""
    count, rounds = {"small": (16384, 4), "real": (4194304, 24)}[size]
    draws = _draws()
    buffer = bytes(next(draws) >> 56 for _ in range(count))
    digest = bytes(32)
    for _ in range(rounds):
        digest = hashlib.sha256(digest + buffer).digest()
    return f"hash {size} {rounds}x{count} {digest.hex()}\n"


def sort_text(size: str) -> str:
    """By Python's own sort."""
    count = {"small": 16384, "real": 2500000}[size]
    draws = _draws()
    values = sorted(next(draws) >> 32 for _ in range(count))
    digest = _OFFSET
    for value in values:
        digest = ((digest ^ value) * _PRIME) & _64
    return f"sort {size} {count} {values[0]:08x} {values[-1]:08x} {digest:016x}\n"


#: Ways to put queens on a board of so many rows: OEIS A000170.
_QUEENS = {5: 10, 9: 352}


def interpreter_text(size: str) -> str:
    """By the functions themselves; queens from the literature."""
    sizes = {"small": (17, (8, 5, 2), 5, 200), "real": (32, (18, 12, 6), 9, 20000)}
    fib, tak, rows, starts = sizes[size]
    values = {
        f"(fib {fib})": _fibonacci(fib),
        f"(tak {tak[0]} {tak[1]} {tak[2]})": _takeuchi(*tak),
        f"(queens {1 << rows} 1 0 0 0)": _QUEENS[rows],
        f"(total 1 {starts})": sum(map(_collatz, range(1, starts + 1))),
    }
    return "".join(f"{expression} {value}\n" for expression, value in values.items())


def _fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def _takeuchi(x: int, y: int, z: int) -> int:
    """Takeuchi's function, in Gabriel's form, which answers z."""
    if x <= y:
        return z
    return _takeuchi(_takeuchi(x - 1, y, z), _takeuchi(y - 1, z, x), _takeuchi(z - 1, x, y))


def _collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def dispatch_text(size: str) -> str:
    """By the ring as one affine map, raised to the power of the rounds."""
    objects, rounds = {"small": (256, 2000), "real": (1024, 40000)}[size]
    draws = _draws()
    ring = (1, 0)
    for _ in range(objects):
        own = next(draws)
        ring = _after(_METHODS[own >> 61](own), ring)
    total, left = (1, 0), rounds
    while left:
        if left % 2:
            total = _after(ring, total)
        ring, left = _after(ring, ring), left // 2
    return f"dispatch {size} {rounds}x{objects} {(total[0] + total[1]) & _64:016x}\n"


#: (a, b) of a x + b, in the order of the C file's table.
_METHODS: tuple[Callable[[int], tuple[int, int]], ...] = (
    lambda own: (1, own),
    lambda own: (1, -own),
    lambda own: (-1, own),
    lambda own: (own | 1, 0),
    lambda own: (-1, (own >> 32) - 1),
    lambda own: (129, own),
    lambda own: (3, 2 * own),
    lambda own: (-3, own),
)


def _after(second: tuple[int, int], first: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = second, first
    return (a * c) & _64, (a * d + b) & _64


#: Energies after so many steps that the Computer Language Benchmarks Game publishes.
NBODY_PUBLISHED = {0: "-0.169075164", 1000: "-0.169087605", 5000000: "-0.169083134"}
_SOLAR = 4 * math.pi * math.pi
_YEAR = 365.24
#: Place, velocity per day and mass in suns: Jupiter, Saturn, Uranus, Neptune.
_PLANETS = (
    (
        (4.84143144246472090e00, -1.16032004402742839e00, -1.03622044471123109e-01),
        (1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05),
        9.54791938424326609e-04,
    ),
    (
        (8.34336671824457987e00, 4.12479856412430479e00, -4.03523417114321381e-01),
        (-2.76742510726862411e-03, 4.99852801234917238e-03, 2.30417297573763929e-05),
        2.85885980666130812e-04,
    ),
    (
        (1.28943695621391310e01, -1.51111514016986312e01, -2.23307578892655734e-01),
        (2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05),
        4.36624404335156298e-05,
    ),
    (
        (1.53796971148509165e01, -2.59193146099879641e01, 1.79258772950371181e-01),
        (2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05),
        5.15138902046611451e-05,
    ),
)


def nbody_small() -> str:
    """By the same sums in Python's doubles, which are the machine's."""
    places = [[0.0, 0.0, 0.0], *(list(place) for place, _, _ in _PLANETS)]
    speeds = [[0.0, 0.0, 0.0], *([v * _YEAR for v in speed] for _, speed, _ in _PLANETS)]
    masses = [_SOLAR, *(mass * _SOLAR for _, _, mass in _PLANETS)]
    for axis in range(3):
        momentum = 0.0
        for speed, mass in zip(speeds, masses, strict=True):
            momentum += speed[axis] * mass
        speeds[0][axis] = -momentum / _SOLAR
    before = _energy(places, speeds, masses)
    for _ in range(1000):
        _advance(places, speeds, masses, 0.01)
    lines = [_float_line("energy before", before)]
    lines.append(_float_line("energy after", _energy(places, speeds, masses)))
    lines += [_float_line("x", place[0]) for place in places]
    return "nbody small 1000\n" + "".join(lines)


def _float_line(name: str, value: float) -> str:
    return f"{name} {value:.9f} {struct.pack('>d', value).hex()}\n"


def _square(a: list[float], b: list[float]) -> float:
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z


def _energy(places: list[list[float]], speeds: list[list[float]], masses: list[float]) -> float:
    total = 0.0
    for i, (x, y, z) in enumerate(speeds):
        total += 0.5 * masses[i] * (x * x + y * y + z * z)
        for j in range(i + 1, len(places)):
            total -= masses[i] * masses[j] / math.sqrt(_square(places[i], places[j]))
    return total


def _advance(
    places: list[list[float]], speeds: list[list[float]], masses: list[float], dt: float
) -> None:
    for i, j in combinations(range(len(places)), 2):
        square = _square(places[i], places[j])
        pull = dt / (square * math.sqrt(square))
        of_i, of_j = masses[i] * pull, masses[j] * pull
        for axis in range(3):
            apart = places[i][axis] - places[j][axis]
            speeds[i][axis] -= apart * of_j
            speeds[j][axis] += apart * of_i
    for place, speed in zip(places, speeds, strict=True):
        for axis in range(3):
            place[axis] += dt * speed[axis]


#: Other bases that leave no doubt below 2^64 (Jim Sinclair, 2011).
_BASES = (2, 325, 9375, 28178, 450775, 9780504, 1795265022)


def modular64_text(size: str) -> str:
    """By a sieve of small factors, then Python's pow with other bases."""
    candidates = {"small": 800, "real": 400000}[size]
    primes = [_64 - 2 * i for i in _sieve(candidates) if _is_prime(_64 - 2 * i)]
    return (
        f"modular64 {size} {candidates}: {len(primes)} primes, last {primes[-1]},"
        f" sum {sum(primes) & _64:016x}\n"
    )


def _sieve(candidates: int) -> list[int]:
    """Which of 2^64 - 1 - 2 i have no factor below 50,000."""
    small = bytearray([1]) * 50000
    left = bytearray([1]) * candidates
    for p in range(3, len(small), 2):
        if small[p]:
            small[p * p :: 2 * p] = bytes(len(small[p * p :: 2 * p]))
            first = _64 * pow(2, -1, p) % p
            left[first::p] = bytes(len(left[first::p]))
    return [i for i, is_left in enumerate(left) if is_left]


def _is_prime(n: int) -> bool:
    twos = ((n - 1) & (1 - n)).bit_length() - 1
    for base in _BASES:
        power = pow(base, (n - 1) >> twos, n)
        if power in (1, n - 1):
            continue
        if not any(pow(power, 2**i, n) == n - 1 for i in range(1, twos)):
            return False
    return True


def grow_text(size: str) -> str:
    """By sums in closed form, with no numbers kept."""
    rows, most, steps = {"small": (16, 4000, 1500), "real": (48, 200000, 400000)}[size]
    draws = _draws()
    counts, sums = [0] * rows, [0] * rows
    total = freed = 0
    for step in range(steps):
        row, piece = (next(draws) >> 32) % rows, 1 + (next(draws) >> 32) % 512
        if counts[row] + piece > most + most // rows * row:
            total = (total * 31 + sums[row]) & _64
            counts[row] = sums[row] = 0
            freed += 1
        a, b, n = counts[row] + 1, step, piece - 1
        sums[row] += piece * a * b + (a + b) * n * piece // 2 + n * piece * (2 * n + 1) // 6
        counts[row] += piece
    for left in sums:
        total = (total * 31 + left) & _64
    return f"grow {size} {steps} steps: {freed} freed, {total:016x}\n"


def records_text(size: str) -> str:
    """By the tables themselves."""
    passes, seeks = {"small": (12, 500), "real": (2500, 200000)}[size]
    rows = _tables()
    draws = _draws()
    sought = 0
    for _ in range(seeks):
        at = (next(draws) >> 32) % (len(rows) * passes)
        sought = (sought * 31 + rows[at % len(rows)][1]) & _64
    digest = _OFFSET
    for byte in records_summary(size).encode():
        digest = ((digest ^ byte) * _PRIME) & _64
    return (
        f"records {size} {len(rows) * passes} written, {seeks} sought {sought:016x},"
        f" summary {digest:016x}\n"
    )


def records_summary(size: str) -> str:
    """The file it leaves."""
    passes = {"small": 12, "real": 2500}[size]
    stations: dict[str, list[int]] = defaultdict(list)
    for name, number in _tables():
        stations[name].append(number)
    return "".join(
        f"{name},{len(numbers) * passes},{sum(numbers) * passes}\n"
        for name, numbers in sorted(stations.items())
    )


def _tables() -> list[tuple[str, int]]:
    lines = [
        line.split(",")
        for file in sorted((_WORKLOADS / "records" / "data").glob("*.csv"))
        for line in file.read_text(encoding="ascii").splitlines()
    ]
    return [(name, int(number)) for name, number in lines]


#: By workload; of nbody only the small size can be had in seconds.
TEXTS: dict[str, Callable[[str], str]] = {
    "hash": hash_text,
    "sort": sort_text,
    "interpreter": interpreter_text,
    "dispatch": dispatch_text,
    "modular64": modular64_text,
    "grow": grow_text,
    "records": records_text,
}

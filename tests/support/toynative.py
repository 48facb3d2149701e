"""A native/ that compiles in a second: the real one's entry points, without WAMR and LLVM."""

from __future__ import annotations

from pathlib import Path

_RUNNER = """\
cmake_minimum_required(VERSION 3.20)
project(toy LANGUAGES C)
add_library(farm-wamr STATIC wamr.c)
add_library(lib STATIC main.c)
set_target_properties(lib PROPERTIES OUTPUT_NAME farm-runner)
target_compile_definitions(farm-wamr PRIVATE INTERPRETER="${FARM_INTERPRETER}")
"""
_MAIN = """\
#include <stdio.h>
#include "version.h"
extern const char interpreter[];
int main(void) { printf("%s %s\\n", VERSION, interpreter); return 0; }
"""
_TOOLCHAIN = """\
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER "$ENV{FARM_ZIG}" cc -target TRIPLE)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_AR "$ENV{FARM_ZIG}")
set(CMAKE_C_ARCHIVE_CREATE "<CMAKE_AR> ar qcD <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_C_ARCHIVE_FINISH "")
"""
_AOTC = """\
cmake_minimum_required(VERSION 3.20)
project(toy LANGUAGES C)
add_executable(farm-aotc aotc.c)
target_link_options(farm-aotc PRIVATE -s)
"""
#: Writes its own arguments and the module into --out.
_AOTC_MAIN = """\
#include <stdio.h>
#include <string.h>
int main(int count, char **words) {
    FILE *in = fopen(words[count - 1], "rb"), *out = NULL;
    for (int i = 1; i < count; i++)
        if (!strcmp(words[i], "--out")) out = fopen(words[i + 1], "wb");
    if (!in || !out) return 1;
    for (int i = 1; i < count - 1; i++) fprintf(out, "%s\\n", words[i]);
    for (int c; (c = fgetc(in)) != EOF;) fputc(c, out);
    return fclose(out);
}
"""
_KERNEL = '#include "kernels.h"\nint triple(int x) { return 3 * x; }\n'
_KERNELS_H = """\
#if defined(__wasm__) && defined(FARM_KERNEL_triple)
__attribute__((import_module("kernels"), import_name("triple")))
#endif
int triple(int x);
"""
_FILES = {
    "features.cmake": "",
    "runner/CMakeLists.txt": _RUNNER,
    "runner/main.c": _MAIN,
    "runner/wamr.c": "const char interpreter[] = INTERPRETER;\n",
    "runner/version.h": '#define VERSION "toy 1"\n',
    "runner/unread.h": "#error nobody reads this\n",
    "toolchains/zig.cmake": "",
    "toolchains/x86_64.cmake": _TOOLCHAIN.replace("TRIPLE", "x86_64-linux-musl -mcpu=x86_64_v2"),
    "toolchains/aarch64.cmake": _TOOLCHAIN.replace("TRIPLE", "aarch64-linux-musl -mcpu=generic"),
    "aotc/CMakeLists.txt": _AOTC,
    "aotc/aotc.c": _AOTC_MAIN,
    "bench/kernels.h": _KERNELS_H,
    "kernels/triple/plain.c": _KERNEL,
}


def write_native(folder: Path) -> Path:
    """Write the folder ``native``."""
    for name, text in _FILES.items():
        path = folder / "native" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "native"


def write_wamr(folder: Path) -> Path:
    """Write a tree that passes for WAMR's sources."""
    path = folder / "wamr" / "build-scripts" / "runtime_lib.cmake"
    path.parent.mkdir(parents=True)
    path.write_text("")
    version = folder / "wamr" / "core" / "version.h"
    version.parent.mkdir()
    version.write_text("")
    return folder / "wamr"

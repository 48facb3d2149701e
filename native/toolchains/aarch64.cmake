# 64-bit Arm, from the Cortex-A53 of a Raspberry Pi 3 on: plain Armv8.0 with NEON.
set(FARM_TARGET aarch64-linux-musl)
set(FARM_CPU_FLAGS -mcpu=generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(FARM_WAMR_TARGET AARCH64)
set(FARM_TARGET_HAS_SIMD 1)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

# 32-bit Arm, from the Cortex-A7 of a Raspberry Pi 2 on: Armv7-A with NEON, VFPv4 and integer division, hard float.
set(FARM_TARGET arm-linux-musleabihf)
set(FARM_CPU_FLAGS -mcpu=cortex_a7)
set(CMAKE_SYSTEM_PROCESSOR armv7)
set(FARM_WAMR_TARGET ARMV7_VFP)
# WAMR has no 128-bit vectors on 32-bit targets, in neither its interpreters nor its AOT code.
set(FARM_TARGET_HAS_SIMD 0)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

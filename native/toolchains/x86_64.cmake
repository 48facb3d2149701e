# 64-bit PCs. x86-64-v2 (SSE4.1) is every machine since 2009 and what SIMDe needs to be quick.
set(FARM_TARGET x86_64-linux-musl)
set(FARM_CPU_FLAGS -mcpu=x86_64_v2)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(FARM_WAMR_TARGET X86_64)
set(FARM_TARGET_HAS_SIMD 1)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

# WAMR's WebAssembly proposals, decided once for every runner and for the AOT compiler; a farm's runtime_sources may
# choose otherwise for a WAMR of another name.
#
# Interpreters, AOT loader and AOT compiler must agree on them, and each one changes the code that is
# measured: altering a line here starts every series of results anew.  1 is in, 0 is out.
#
# In:
#   BULK_MEMORY, BULK_MEMORY_OPT, REF_TYPES, CALL_INDIRECT_OVERLONG
#       part of WebAssembly 2.0; clang has used them for wasm32 by default since LLVM 20.
#   EXTENDED_CONST_EXPR
#       with the four above this is what the "Lime1" target means; it costs only at load time.
#   TAIL_CALL
#       own opcodes: a module without them runs the same code as before.
# Out:
#   SHARED_MEMORY, THREAD_MGR (threads, atomics)
#       the interpreters then test for suspension at every branch, which every single-threaded
#       workload would pay for.
#   MEMORY64       WAMR's fast interpreter has none; modes would not be comparable.
#   MULTI_MEMORY   neither WAMR's AOT nor its fast interpreter has it.
#   EXCE_HANDLING  WAMR's legacy form, classic interpreter only.
#   GC             other value slots and other loaders for every module.
#   MULTI_MODULE   a workload is one module.
# SIMD is no choice of this file: it is in exactly where it works (fast interpreter, AOT, and both
# need a 64-bit target), see runner/CMakeLists.txt.
set(FARM_FEATURES
    BULK_MEMORY=1
    BULK_MEMORY_OPT=1
    REF_TYPES=1
    CALL_INDIRECT_OVERLONG=1
    EXTENDED_CONST_EXPR=1
    TAIL_CALL=1
    SHARED_MEMORY=0
    THREAD_MGR=0
    MEMORY64=0
    MULTI_MEMORY=0
    EXCE_HANDLING=0
    GC=0
    MULTI_MODULE=0)

# Other choices, and WAMR's switches that are no proposals, as NAME=0;NAME=1: a farm's runtime_sources.
set(FARM_FLAGS "" CACHE STRING "choices in place of the ones above, or beside them")
foreach(FLAG IN LISTS FARM_FLAGS)
  string(REGEX MATCH "^[A-Z0-9_]+=" NAME "${FLAG}")
  list(FILTER FARM_FEATURES EXCLUDE REGEX "^${NAME}")
  list(APPEND FARM_FEATURES "${FLAG}")
endforeach()

# The same choice in both spellings: variables for WAMR's own CMake files, which the runner uses, and
# definitions for the compiler, which those files cannot configure.
set(FARM_FEATURE_DEFINITIONS "")
foreach(FEATURE IN LISTS FARM_FEATURES)
  string(REGEX MATCH "^([A-Z0-9_]+)=([01])$" MATCHED "${FEATURE}")
  set(WAMR_BUILD_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  list(APPEND FARM_FEATURE_DEFINITIONS WASM_ENABLE_${CMAKE_MATCH_1}=${CMAKE_MATCH_2})
endforeach()

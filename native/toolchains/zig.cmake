# What all targets share: zig as C compiler, archiver and linker, static musl programs.
#
# Input: the environment variable FARM_ZIG, the zig program itself (an environment variable, since
# CMake's own compiler checks read this file again in a project of their own), and FARM_TARGET and
# FARM_CPU_FLAGS from the target's file.
if(NOT DEFINED ENV{FARM_ZIG})
  message(FATAL_ERROR "FARM_ZIG names no zig program; `farm doctor` says how to get one")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER "$ENV{FARM_ZIG}" cc -target ${FARM_TARGET} ${FARM_CPU_FLAGS})
set(CMAKE_ASM_COMPILER "$ENV{FARM_ZIG}" cc -target ${FARM_TARGET} ${FARM_CPU_FLAGS})
# Compilers are not asked what they are: that runs the target's program or guesses from its name.
set(CMAKE_AR "$ENV{FARM_ZIG}" CACHE FILEPATH "archiver" FORCE)
set(CMAKE_RANLIB "$ENV{FARM_ZIG}" CACHE FILEPATH "archive index" FORCE)
# D: no dates, owners or modes in the archive, so equal objects make equal bytes.
set(CMAKE_C_ARCHIVE_CREATE "<CMAKE_AR> ar qcD <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_C_ARCHIVE_APPEND "<CMAKE_AR> ar qD <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_C_ARCHIVE_FINISH "<CMAKE_RANLIB> ranlib -D <TARGET>")
# A cross build looks for nothing of this machine.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

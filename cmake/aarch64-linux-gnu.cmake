# Cross-compiles for aarch64 Linux with Debian's gcc-aarch64-linux-gnu, or with clang (-DCMAKE_C_COMPILER=clang), and runs what
# was built under qemu-user.
#
#   WEFT_SYSROOT   folder with the headers and libraries of the target, from the environment or the cache. tools/cross-aarch64
#                  makes one in build/sysroot-aarch64, which is the default

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

# CMake reads this file again for each of its trial builds, which see the cache only through this list.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WEFT_SYSROOT)
if(DEFINED ENV{WEFT_SYSROOT})
    set(WEFT_SYSROOT_DEFAULT $ENV{WEFT_SYSROOT})
else()
    set(WEFT_SYSROOT_DEFAULT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-aarch64)
endif()
get_filename_component(WEFT_SYSROOT_DEFAULT ${WEFT_SYSROOT_DEFAULT} ABSOLUTE)
set(WEFT_SYSROOT ${WEFT_SYSROOT_DEFAULT} CACHE PATH "Headers and libraries of aarch64")
if(NOT EXISTS ${WEFT_SYSROOT}/usr/include)
    message(FATAL_ERROR "no headers in ${WEFT_SYSROOT}: tools/cross-aarch64 makes such a folder, or set WEFT_SYSROOT")
endif()

set(CMAKE_SYSROOT ${WEFT_SYSROOT})
set(triple aarch64-linux-gnu)
if(NOT CMAKE_C_COMPILER)
    set(CMAKE_C_COMPILER ${triple}-gcc)
endif()
# Used by clang only; gcc is told by its name.
set(CMAKE_C_COMPILER_TARGET ${triple})
set(CMAKE_ASM_COMPILER_TARGET ${triple})

# Libraries and headers of the target alone, programs of this machine alone.
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${WEFT_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${WEFT_SYSROOT}/usr/lib/${triple}/pkgconfig:${WEFT_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")

if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL CMAKE_SYSTEM_PROCESSOR)
    # pauth-impdef: sign return addresses by a cheap function instead of the architected one, which takes most of the time.
    set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -cpu max,pauth-impdef=on -L ${WEFT_SYSROOT})
endif()

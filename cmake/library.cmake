# The library: one set of position-independent objects, from which both the static and the shared library are made.

file(GLOB weft_sources CONFIGURE_DEPENDS core/*.c sched/*.c io/*.c)
file(GLOB weft_headers CONFIGURE_DEPENDS include/weft.h include/weft/*.h)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    set(weft_arch x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(weft_arch aarch64)
else()
    message(FATAL_ERROR "weft: no context switch for ${CMAKE_SYSTEM_PROCESSOR}; x86_64 and aarch64 have one")
endif()
file(GLOB weft_assembly CONFIGURE_DEPENDS core/*_${weft_arch}.S)
# What is written for another architecture says so at the end of its name.
list(FILTER weft_sources EXCLUDE REGEX "_(x86_64|aarch64)\\.c$")
file(GLOB weft_arch_sources CONFIGURE_DEPENDS core/*_${weft_arch}.c sched/*_${weft_arch}.c io/*_${weft_arch}.c)
list(APPEND weft_sources ${weft_arch_sources})

add_library(weft_objects OBJECT ${weft_sources} ${weft_assembly} ${weft_headers})
set_target_properties(weft_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_link_libraries(weft_objects
    PRIVATE weft_flags weft_hardening weft_private_headers PkgConfig::LIBURING PkgConfig::HWLOC Threads::Threads)

# weft_library(TARGET): what the shared and the static library have in common.
function(weft_library target)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    # The user's frames run on weft's stacks too, so they have to probe the guard as ours do.
    if(HAVE_fstack_clash_protection)
        target_compile_options(${target} INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-fstack-clash-protection>)
    endif()
    # Only for linking: users compile against weft's headers alone. The build-interface targets are not exported.
    target_link_libraries(${target} PRIVATE PkgConfig::LIBURING PkgConfig::HWLOC Threads::Threads
        $<BUILD_INTERFACE:weft_flags> $<BUILD_INTERFACE:weft_hardening>)
endfunction()

add_library(weft SHARED $<TARGET_OBJECTS:weft_objects>)
add_library(weft::weft ALIAS weft)
weft_library(weft)
set(weft_map ${PROJECT_SOURCE_DIR}/cmake/weft.map)
target_link_options(weft PRIVATE -Wl,--version-script=${weft_map} -Wl,--no-undefined-version)
if(NOT WEFT_SANITIZE)
    target_link_options(weft PRIVATE -Wl,-z,defs)
endif()
set_target_properties(weft PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${weft_map} LINKER_LANGUAGE C)

add_library(weft_static STATIC $<TARGET_OBJECTS:weft_objects>)
add_library(weft::weft_static ALIAS weft_static)
weft_library(weft_static)
set_target_properties(weft_static PROPERTIES OUTPUT_NAME weft LINKER_LANGUAGE C)

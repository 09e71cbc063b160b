# How everything is compiled. Three interface targets: weft_flags for all C code of the project, weft_hardening for what is
# shipped, weft_private_headers for the library and for tests that look inside it.

include(CheckCCompilerFlag)

# flag_if_known(TARGET FLAG...): the flags that this compiler knows; which they are depends on compiler and machine.
function(flag_if_known target)
    foreach(flag IN LISTS ARGN)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" variable)
        check_c_compiler_flag(${flag} ${variable})
        if(${variable})
            target_compile_options(${target} INTERFACE $<$<COMPILE_LANGUAGE:C>:${flag}>)
        endif()
    endforeach()
endfunction()

add_library(weft_flags INTERFACE)
target_compile_definitions(weft_flags INTERFACE _GNU_SOURCE)
target_compile_options(weft_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Werror;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes;-Wpointer-arith>
    # Backtraces of suspended stacks walk the frame pointers.
    -fno-omit-frame-pointer)
# A frame larger than the guard page must not step over it.
flag_if_known(weft_flags -fstack-clash-protection)

# Everything in the build, the examples and benchmarks included: one program cannot mix them.
if(WEFT_SANITIZE)
    set(sanitize_flags -fsanitize=${WEFT_SANITIZE})
    if(WEFT_SANITIZE STREQUAL "undefined")
        list(APPEND sanitize_flags -fno-sanitize-recover=all)
    endif()
    add_compile_options(${sanitize_flags})
    add_link_options(${sanitize_flags})
endif()

add_library(weft_hardening INTERFACE)
flag_if_known(weft_hardening -fstack-protector-strong)
# Calls from one public function to another are direct and may be inlined: nobody interposes single functions of weft.
flag_if_known(weft_hardening -fno-semantic-interposition)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    # Indirect branch tracking, but no shadow stack: switching stacks without telling the kernel breaks one.
    target_compile_options(weft_hardening INTERFACE -fcf-protection=branch)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    target_compile_options(weft_hardening INTERFACE -mbranch-protection=standard)
endif()
if(NOT WEFT_SANITIZE)
    # It needs optimisation, and hides errors from the sanitizers.
    target_compile_options(weft_hardening
        INTERFACE $<$<AND:$<COMPILE_LANGUAGE:C>,$<NOT:$<CONFIG:Debug>>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
endif()
target_link_options(weft_hardening INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

add_library(weft_private_headers INTERFACE)
target_include_directories(weft_private_headers INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
# Assertions of the debug level (WF_DEBUG) are on in debug builds and under sanitizers.
if(WEFT_SANITIZE)
    target_compile_definitions(weft_private_headers INTERFACE WF_DEBUG)
else()
    target_compile_definitions(weft_private_headers INTERFACE $<$<CONFIG:Debug>:WF_DEBUG> $<$<NOT:$<CONFIG:Debug>>:NDEBUG>)
endif()

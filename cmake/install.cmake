# What `cmake --install` puts where: headers, both libraries, weft.pc for pkg-config and weftConfig.cmake for find_package.

include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# Two export sets, because the static library needs liburing and hwloc at the user's link step and the shared one does not.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
install(TARGETS weft EXPORT weft_shared)
install(TARGETS weft_static EXPORT weft_static)
install(EXPORT weft_shared FILE weftSharedTargets.cmake NAMESPACE weft:: DESTINATION ${package_dir})
install(EXPORT weft_static FILE weftStaticTargets.cmake NAMESPACE weft:: DESTINATION ${package_dir})

configure_package_config_file(cmake/weftConfig.cmake.in ${PROJECT_BINARY_DIR}/weftConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weftConfig.cmake ${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
    DESTINATION ${package_dir})

# weft.pc finds its prefix from where it lies, so that an installed tree may be moved.
if(HAVE_fstack_clash_protection)
    set(weft_pc_cflags -fstack-clash-protection)
endif()
file(RELATIVE_PATH weft_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" weft_pc_prefix "${weft_pc_prefix}")
configure_file(cmake/weft.pc.in ${PROJECT_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# `cmake --install` gives a tree that can be moved: bin/ finds its libraries in lib/tpo relative to itself.
#
# lib/tpo keeps the wheel's shape (torch/lib next to nvidia/cu13/lib), because LibTorch's own run path is relative to
# it. On a GPU machine the rest of LibTorch's libraries can be added there, and libtorch_cuda.so is found.

if(TPO_INSTALL_LIBTORCH AND TPO_USE_LIBTORCH AND NOT TPO_CORE_ONLY)
  file(GLOB tpo_torch_libs "${TPO_LIBTORCH_LIB_DIR}/libtorch_cpu.so" "${TPO_LIBTORCH_LIB_DIR}/libc10.so"
       "${TPO_LIBTORCH_LIB_DIR}/libgomp*.so*")
  install(PROGRAMS ${tpo_torch_libs} DESTINATION lib/tpo/torch/lib COMPONENT libtorch)
  foreach(dir IN LISTS tpo_nvidia_lib_dirs)
    file(GLOB tpo_nvidia_libs "${dir}/libcudart.so.*" "${dir}/libcupti.so.*")
    if(tpo_nvidia_libs)
      cmake_path(RELATIVE_PATH dir BASE_DIRECTORY "${TPO_LIBTORCH_ROOT}" OUTPUT_VARIABLE relative)
      install(PROGRAMS ${tpo_nvidia_libs} DESTINATION "lib/tpo/${relative}" COMPONENT libtorch)
    endif()
  endforeach()
  # Whoever passes them on passes on their licences.
  file(GLOB tpo_wheel_licences "${TPO_LIBTORCH_ROOT}/*.dist-info/licenses/*" "${TPO_LIBTORCH_ROOT}/*.dist-info/License.txt")
  foreach(licence IN LISTS tpo_wheel_licences)
    string(REGEX REPLACE ".*/([^/]*)\\.dist-info/.*" "\\1" wheel "${licence}")
    install(FILES "${licence}" DESTINATION "share/doc/${wheel}" COMPONENT libtorch)
  endforeach()
endif()

# The C++ SDK for verifiers, as a package of its own:
#
#   cmake --install build/release --component verifier_sdk --prefix DIR
#
# gives headers, the static libraries that tpo::verifier_sdk needs, the protocol's files, and what find_package(tpo)
# looks for. Which libraries these are follows from what the target links.

# tpo_link_closure(<target> <ours variable> <others variable>): all that a target links, ours and others' targets.
function(tpo_link_closure target ours_variable others_variable)
  set(ours "")
  set(others "")
  set(waiting ${target})
  while(waiting)
    list(POP_FRONT waiting dep)
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" dep "${dep}")
    if(NOT TARGET ${dep})
      continue() # a linker flag, or a library that only the build needs
    endif()
    get_target_property(real ${dep} ALIASED_TARGET)
    if(real)
      set(dep ${real})
    endif()
    get_target_property(imported ${dep} IMPORTED)
    if(imported)
      list(APPEND others ${dep})
    elseif(NOT dep IN_LIST ours)
      list(APPEND ours ${dep})
      get_target_property(links ${dep} INTERFACE_LINK_LIBRARIES)
      if(links)
        list(APPEND waiting ${links})
      endif()
    endif()
  endwhile()
  list(REMOVE_DUPLICATES others)
  set(${ours_variable} "${ours}" PARENT_SCOPE)
  set(${others_variable} "${others}" PARENT_SCOPE)
endfunction()

# tpo_find_dependency_lines(<variable> <target>…): what tpo-config.cmake has to look for.
function(tpo_find_dependency_lines variable)
  set(lines "")
  foreach(target IN LISTS ARGN)
    string(REGEX REPLACE "::.*" "" package "${target}")
    if(package MATCHES "^(absl|gRPC|prometheus-cpp|spdlog|nlohmann_json)$")
      set(line "find_dependency(${package} CONFIG)")
    elseif(package STREQUAL "protobuf")
      set(line "find_dependency(Protobuf MODULE)")
    elseif(package MATCHES "^(CURL|OpenSSL|Threads|ZLIB)$")
      set(line "find_dependency(${package} MODULE)")
    else()
      message(FATAL_ERROR "tpo::verifier_sdk links ${target}; tell tpo_find_dependency_lines which package that is")
    endif()
    list(APPEND lines "${line}")
  endforeach()
  list(REMOVE_DUPLICATES lines)
  list(SORT lines)
  list(JOIN lines "\n" lines)
  set(${variable} "${lines}" PARENT_SCOPE)
endfunction()

if(TARGET tpo_verifier_sdk)
  include(CMakePackageConfigHelpers)
  tpo_link_closure(tpo_verifier_sdk tpo_sdk_libraries tpo_sdk_others)
  tpo_find_dependency_lines(TPO_FIND_DEPENDENCIES ${tpo_sdk_others})
  target_compile_features(tpo_verifier_sdk PUBLIC cxx_std_20)
  foreach(library IN LISTS tpo_sdk_libraries)
    string(REGEX REPLACE "^tpo_" "" name "${library}")
    set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
  endforeach()

  set(tpo_sdk_cmake_dir "lib/cmake/tpo")
  install(
    TARGETS ${tpo_sdk_libraries}
    EXPORT tpo-targets
    ARCHIVE DESTINATION lib COMPONENT verifier_sdk)
  install(
    EXPORT tpo-targets
    NAMESPACE tpo::
    DESTINATION ${tpo_sdk_cmake_dir}
    COMPONENT verifier_sdk)
  configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/tpo-config.cmake.in" "${CMAKE_BINARY_DIR}/cmake/tpo-config.cmake"
    INSTALL_DESTINATION ${tpo_sdk_cmake_dir}
    NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/cmake/tpo-config-version.cmake" COMPATIBILITY SameMinorVersion)
  install(
    FILES "${CMAKE_BINARY_DIR}/cmake/tpo-config.cmake" "${CMAKE_BINARY_DIR}/cmake/tpo-config-version.cmake"
    DESTINATION ${tpo_sdk_cmake_dir}
    COMPONENT verifier_sdk)
  foreach(folder IN ITEMS core verifier)
    install(
      DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}"
      DESTINATION include/tpo
      COMPONENT verifier_sdk
      FILES_MATCHING
      PATTERN "*.h")
  endforeach()
  install(
    FILES "${PROJECT_SOURCE_DIR}/services/verifier_sdk/verifier_sdk.h"
    DESTINATION include/tpo/services/verifier_sdk
    COMPONENT verifier_sdk)
  install(
    FILES "${PROJECT_SOURCE_DIR}/services/grpc/access.h" "${PROJECT_SOURCE_DIR}/services/grpc/observer.h"
          "${PROJECT_SOURCE_DIR}/services/grpc/tls.h"
    DESTINATION include/tpo/services/grpc
    COMPONENT verifier_sdk)
  install(
    FILES "${PROJECT_SOURCE_DIR}/proto/tpo/v1/types.proto" "${PROJECT_SOURCE_DIR}/proto/tpo/v1/verifier.proto"
    DESTINATION share/tpo/proto/tpo/v1
    COMPONENT verifier_sdk)
endif()

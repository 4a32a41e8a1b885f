# The functions by which every folder declares what it builds. All of them
#   - take the repository root as the only include root: #include "core/types.h"
#   - take DEPS as target names; a target has to be defined before the targets that depend on it
#   - skip the target, with a message, when a dependency is missing and TPO_CORE_ONLY, TPO_ALLOW_MISSING or no
#     TPO_USE_LIBTORCH allows it
#   - leave out source files that do not exist, with a message, when TPO_ALLOW_MISSING is set.

# Where #include "core/types.h" is looked up: here, and from an installed tree (TpoInstall.cmake).
set(TPO_INCLUDE_ROOT "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:include/tpo>")

# tpo_check_deps(<name> <ok variable> <dep>…): are all dependencies there? Refuses to configure when one has to be.
function(tpo_check_deps name ok_variable)
  set(missing "")
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "::|^tpo" AND NOT TARGET ${dep})
      list(APPEND missing ${dep})
    endif()
  endforeach()
  if(NOT missing)
    set(${ok_variable} TRUE PARENT_SCOPE)
    return()
  endif()
  set(${ok_variable} FALSE PARENT_SCOPE)
  if(TPO_CORE_ONLY OR TPO_ALLOW_MISSING OR NOT TPO_USE_LIBTORCH)
    message(STATUS "Skipped: ${name} (needs ${missing})")
  else()
    message(FATAL_ERROR "${name} depends on ${missing}, which is not defined (yet)")
  endif()
endfunction()

# tpo_existing_sources(<name> <list variable>): drops the missing ones where that is allowed; CMake refuses them otherwise.
function(tpo_existing_sources name list_variable)
  if(NOT TPO_ALLOW_MISSING)
    return()
  endif()
  set(existing "")
  foreach(source IN LISTS ${list_variable})
    cmake_path(ABSOLUTE_PATH source OUTPUT_VARIABLE path)
    if(EXISTS "${path}")
      list(APPEND existing "${source}")
    else()
      message(STATUS "Skipped: ${source} of ${name} (no such file)")
    endif()
  endforeach()
  set(${list_variable} "${existing}" PARENT_SCOPE)
endfunction()

# tpo_library(NAME <target> [SRCS <.cc/.h>…] [DEPS <target>…] [PRIVATE_DEPS <target>…])
#
# A static library. DEPS are what its headers include, PRIVATE_DEPS what only its sources include. Without any .cc in
# SRCS it is a header-only (INTERFACE) library.
function(tpo_library)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SRCS;DEPS;PRIVATE_DEPS")
  tpo_check_deps(${arg_NAME} ok ${arg_DEPS} ${arg_PRIVATE_DEPS})
  if(NOT ok)
    return()
  endif()
  tpo_existing_sources(${arg_NAME} arg_SRCS)
  set(compiled ${arg_SRCS})
  list(FILTER compiled INCLUDE REGEX "\\.(cc|cpp|c)$")
  if(compiled)
    add_library(${arg_NAME} STATIC ${arg_SRCS})
    target_include_directories(${arg_NAME} PUBLIC ${TPO_INCLUDE_ROOT})
    target_link_libraries(
      ${arg_NAME}
      PUBLIC ${arg_DEPS}
      PRIVATE ${arg_PRIVATE_DEPS})
    tpo_compile_options(${arg_NAME})
  else()
    add_library(${arg_NAME} INTERFACE)
    target_include_directories(${arg_NAME} INTERFACE ${TPO_INCLUDE_ROOT})
    target_link_libraries(${arg_NAME} INTERFACE ${arg_DEPS})
  endif()
endfunction()

# tpo_executable(<name> <srcs> <deps>): what binaries, tests and benchmarks have in common.
function(tpo_executable name srcs deps)
  add_executable(${name} ${srcs})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${deps})
  tpo_compile_options(${name})
endfunction()

# tpo_binary(NAME <target> SRCS <.cc>… [DEPS <target>…] [OUTPUT_NAME <file name>])
#
# A program that is installed, as a component of its name; lands in <build>/bin.
function(tpo_binary)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;OUTPUT_NAME" "SRCS;DEPS")
  tpo_existing_sources(${arg_NAME} arg_SRCS)
  tpo_check_deps(${arg_NAME} ok ${arg_DEPS})
  if(NOT ok OR NOT arg_SRCS)
    return()
  endif()
  tpo_executable(${arg_NAME} "${arg_SRCS}" "${arg_DEPS}")
  if(arg_OUTPUT_NAME)
    set_target_properties(${arg_NAME} PROPERTIES OUTPUT_NAME "${arg_OUTPUT_NAME}")
  endif()
  set_target_properties(${arg_NAME} PROPERTIES INSTALL_RPATH "\$ORIGIN/../lib/tpo/torch/lib")
  install(TARGETS ${arg_NAME} RUNTIME DESTINATION bin COMPONENT ${arg_NAME})
endfunction()

# What a test sees: where the sources, the build tree and the programs are. Tests run side by side, so OpenMP threads
# that wait must sleep: spinning ones would take the cores from the other tests.
set(TPO_TEST_ENVIRONMENT
    "TPO_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "TPO_BINARY_DIR=${CMAKE_BINARY_DIR}"
    "TPO_BIN_DIR=${CMAKE_BINARY_DIR}/bin"
    "TPO_PYTHON=${TPO_PYTHON}"
    "OMP_WAIT_POLICY=PASSIVE")
if(TPO_SANITIZERS)
  # LibTorch and gRPC keep some memory for the life of the process, and both carry vague-linkage symbols twice.
  list(
    APPEND
    TPO_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_odr_violation=0:detect_stack_use_after_return=1:strict_string_checks=1"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/sanitizers/lsan.supp:print_suppressions=0"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/sanitizers/tsan.supp"
    "UBSAN_OPTIONS=print_stacktrace=1")
endif()

# tpo_test(NAME <target> SRCS <.cc>… [DEPS <target>…] [LABELS <label>…] [TIMEOUT <seconds>] [ENVIRONMENT <VAR=value>…]
#          [RUN_SERIAL])
#
# A GoogleTest program (GoogleMock's main), run by ctest as one entry, in the repository root, with TPO_SOURCE_DIR,
# TPO_BINARY_DIR, TPO_BIN_DIR and TPO_PYTHON set. TIMEOUT is 120 s unless told. RUN_SERIAL is for tests that measure time.
function(tpo_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "RUN_SERIAL" "NAME;TIMEOUT" "SRCS;DEPS;LABELS;ENVIRONMENT")
  if(NOT TPO_BUILD_TESTS)
    return()
  endif()
  tpo_existing_sources(${arg_NAME} arg_SRCS)
  tpo_check_deps(${arg_NAME} ok ${arg_DEPS})
  if(NOT ok OR NOT arg_SRCS)
    return()
  endif()
  tpo_executable(${arg_NAME} "${arg_SRCS}" "${arg_DEPS};GTest::gmock_main;GTest::gmock;GTest::gtest")
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(
    NAME ${arg_NAME}
    COMMAND ${arg_NAME}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  tpo_test_properties(${arg_NAME} "${arg_TIMEOUT}" "${arg_LABELS}" "${arg_ENVIRONMENT}" "${arg_RUN_SERIAL}")
endfunction()

# tpo_script_test(NAME <name> COMMAND <program> <argument>… [DEPS <target>…] [LABELS <label>…] [TIMEOUT <seconds>]
#                 [ENVIRONMENT <VAR=value>…] [RUN_SERIAL])
#
# Any command as a test, in the same environment as tpo_test. DEPS are targets it runs: the test is skipped with them.
# "${TPO_PYTHON}" as the program is the interpreter that has the packages of third_party/test-requirements.txt.
function(tpo_script_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "RUN_SERIAL" "NAME;TIMEOUT" "COMMAND;DEPS;LABELS;ENVIRONMENT")
  if(NOT TPO_BUILD_TESTS)
    return()
  endif()
  tpo_check_deps(${arg_NAME} ok ${arg_DEPS})
  if(NOT ok)
    return()
  endif()
  add_test(
    NAME ${arg_NAME}
    COMMAND ${arg_COMMAND}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  tpo_test_properties(${arg_NAME} "${arg_TIMEOUT}" "${arg_LABELS}" "${arg_ENVIRONMENT}" "${arg_RUN_SERIAL}")
endfunction()

# tpo_test_properties(<test> <timeout> <labels> <environment> <run serial>): defaults of both kinds of tests.
function(tpo_test_properties name timeout labels environment run_serial)
  if(NOT timeout)
    set(timeout 120)
  endif()
  if(TPO_SANITIZERS)
    # Instrumented code is slower by about this factor.
    math(EXPR timeout "${timeout} * 4")
  endif()
  set_tests_properties(
    ${name}
    PROPERTIES TIMEOUT ${timeout}
               LABELS "${labels}"
               ENVIRONMENT "${TPO_TEST_ENVIRONMENT};${environment}")
  if(run_serial)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# tpo_benchmark(NAME <target> SRCS <.cc>… [DEPS <target>…])
#
# A Google Benchmark program (its main is supplied), in <build>/bench. `./dev bench` runs them all; ctest runs none.
function(tpo_benchmark)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SRCS;DEPS")
  if(NOT TPO_BUILD_BENCHMARKS)
    return()
  endif()
  tpo_existing_sources(${arg_NAME} arg_SRCS)
  tpo_check_deps(${arg_NAME} ok ${arg_DEPS})
  if(NOT ok OR NOT arg_SRCS)
    return()
  endif()
  tpo_executable(${arg_NAME} "${arg_SRCS}" "${arg_DEPS};benchmark::benchmark_main;benchmark::benchmark")
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
endfunction()

# Lets folders call it in a build without LibTorch too, where there is nothing to precompile.
if(NOT COMMAND tpo_use_torch_pch)
  function(tpo_use_torch_pch target)

  endfunction()
endif()

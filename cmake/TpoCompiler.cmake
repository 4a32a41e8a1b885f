# Language level, warnings, optimisation, sanitizers, linker and compiler cache.
#
# `tpo_compile_options(target)` is what makes a target "ours": only those get warnings as errors.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set_property(GLOBAL PROPERTY RULE_MESSAGES ON)

# Assertions stay on in Release: a broken invariant of a training run has to crash, not to train on. Line tables (-g1)
# cost no speed and make stack traces readable.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

# We build programs and static libraries, no shared ones: position-independent executables, for which all code, and a
# precompiled header that libraries and programs share, is compiled alike.
add_compile_options(-fPIE -pthread)
add_link_options(-pie -pthread)

if(TPO_USE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(TPO_CCACHE ccache)
  mark_as_advanced(TPO_CCACHE)
  if(TPO_CCACHE)
    # Without this sloppiness ccache refuses every unit that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
        "${TPO_CCACHE}")
  endif()
endif()

if(TPO_USE_MOLD)
  find_program(TPO_MOLD mold)
  mark_as_advanced(TPO_MOLD)
  if(TPO_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
add_link_options(LINKER:--as-needed LINKER:-z,relro,-z,now)

if(TPO_SANITIZERS)
  # -fno-sanitize=vptr: it needs the type information of libraries that were built without the sanitizer.
  set(TPO_SANITIZER_FLAGS -fsanitize=${TPO_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(TPO_SANITIZERS MATCHES "undefined")
    list(APPEND TPO_SANITIZER_FLAGS -fno-sanitize=vptr)
  endif()
  add_compile_options(${TPO_SANITIZER_FLAGS})
  add_link_options(${TPO_SANITIZER_FLAGS})
endif()

if(TPO_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TPO_FUZZ needs Clang; the compiler is ${CMAKE_CXX_COMPILER_ID}")
  endif()
  # Coverage, for the fuzzer to see what an input reaches.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(TPO_THREAD_SAFETY AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "TPO_THREAD_SAFETY needs Clang; the compiler is ${CMAKE_CXX_COMPILER_ID}")
endif()

# tpo_compile_options(<target>)
#
# Gives one of our own targets the project's warnings and floating-point rules. Errors in math functions are read from
# values, never from errno or traps, so those two flags only free the vectoriser; -ffast-math would let the compiler
# assume that NaN cannot happen, which the code has to detect.
function(tpo_compile_options target)
  target_compile_options(
    ${target}
    PRIVATE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Wcast-qual
            -Wextra-semi
            -Wimplicit-fallthrough
            -fno-math-errno
            -fno-trapping-math)
  if(TPO_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wlogical-op -Wduplicated-cond)
    # At -O3 GCC 12 follows paths through inlined library code that cannot be taken, and warns about them.
    target_compile_options(${target} PRIVATE -Wno-error=maybe-uninitialized -Wno-error=array-bounds
                                             -Wno-error=stringop-overflow -Wno-error=restrict -Wno-error=dangling-pointer)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # GCC knows attributes that Clang does not (target_clones on some functions), and the reverse.
    target_compile_options(${target} PRIVATE -Wno-unknown-attributes -Wno-unused-command-line-argument)
    if(TPO_THREAD_SAFETY)
      target_compile_options(${target} PRIVATE -Wthread-safety -Werror=thread-safety)
    endif()
  endif()
endfunction()

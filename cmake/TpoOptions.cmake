# Every switch of the build. `cmake -LH build/release` lists them.

option(TPO_CORE_ONLY
       "Skip LibTorch, gRPC and protobuf, and every target that needs them. ThreadSanitizer builds need this: \
it reports false races in libraries that it did not instrument" OFF)
option(TPO_USE_LIBTORCH "Build what needs LibTorch; without it, tpo-verifier and what it is made of remain" ON)
option(TPO_ALLOW_MISSING
       "Skip source files that do not exist and targets whose dependencies are not defined, instead of refusing \
to configure. For work on a tree that is not complete" OFF)
option(TPO_BUILD_TESTS "Build the tests" ON)
option(TPO_BUILD_BENCHMARKS "Build the micro-benchmarks" ON)
option(TPO_WARNINGS_AS_ERRORS "Treat warnings in our own code as errors" ON)
option(TPO_USE_CCACHE "Compile through ccache where it is installed" ON)
option(TPO_USE_MOLD "Link with mold where it is installed" ON)
option(TPO_USE_PCH "Precompile the LibTorch headers (see tpo_use_torch_pch)" ON)
option(TPO_INSTALL_LIBTORCH "Let `cmake --install` copy the LibTorch libraries next to the binaries" ON)
option(TPO_THREAD_SAFETY "Make Clang's thread-safety analysis an error (needs Clang)" OFF)

option(TPO_FUZZ "Build the fuzz targets with libFuzzer, as target `fuzz` (needs Clang)" OFF)

set(TPO_SANITIZERS
    ""
    CACHE STRING "Value of -fsanitize= for our code, for example address,undefined")
set(TPO_LIBTORCH_DIR
    "$ENV{TPO_LIBTORCH_DIR}"
    CACHE PATH "LibTorch, a torch Python package, or a folder with torch/ and nvidia/; empty: search")
set(TPO_PYTHON
    "python3"
    CACHE STRING "Python interpreter that script tests use")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE
      Release
      CACHE STRING "Debug, RelWithDebInfo or Release" FORCE)
endif()

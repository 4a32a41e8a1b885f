# Imported target tpo::libtorch, and tpo_use_torch_pch().
#
# Why not find_package(Torch): its configuration insists on a CUDA toolkit when LibTorch was built with CUDA, even
# for code that uses no CUDA. We link libtorch_cpu and libc10 only; libtorch_cuda, where present, is loaded at run time.
#
# Searched, in this order:
#   1. TPO_LIBTORCH_DIR (option or environment)
#   2. CMAKE_PREFIX_PATH (an official LibTorch)
#   3. ${XDG_CACHE_HOME:-~/.cache}/tpo/libtorch-<version>, which `./dev setup` fills from third_party/libtorch-requirements.txt
#
# Sets TPO_LIBTORCH_LIB_DIR (libtorch_cpu.so is there) and TPO_LIBTORCH_ROOT (may hold nvidia/ next to torch/).

file(STRINGS "${PROJECT_SOURCE_DIR}/third_party/libtorch-requirements.txt" TPO_LIBTORCH_VERSION REGEX "^torch==")
string(REGEX REPLACE "^torch==([^ ]+).*" "\\1" TPO_LIBTORCH_VERSION "${TPO_LIBTORCH_VERSION}")

if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(tpo_cache_dir "$ENV{XDG_CACHE_HOME}/tpo")
else()
  set(tpo_cache_dir "$ENV{HOME}/.cache/tpo")
endif()

if(TPO_LIBTORCH_DIR)
  set(tpo_libtorch_candidates "${TPO_LIBTORCH_DIR}")
else()
  set(tpo_libtorch_candidates ${CMAKE_PREFIX_PATH} "${tpo_cache_dir}/libtorch-${TPO_LIBTORCH_VERSION}")
endif()

set(tpo_torch_dir "")
foreach(candidate IN LISTS tpo_libtorch_candidates)
  foreach(suffix IN ITEMS "" "/torch" "/libtorch")
    if(NOT tpo_torch_dir AND EXISTS "${candidate}${suffix}/lib/libtorch_cpu.so")
      file(REAL_PATH "${candidate}${suffix}" tpo_torch_dir)
    endif()
  endforeach()
endforeach()
if(NOT tpo_torch_dir)
  list(JOIN tpo_libtorch_candidates ", " tpo_libtorch_searched)
  message(FATAL_ERROR "No LibTorch in: ${tpo_libtorch_searched}.\nRun ./dev setup, or pass -DTPO_LIBTORCH_DIR=DIR.")
endif()

set(TPO_LIBTORCH_LIB_DIR "${tpo_torch_dir}/lib")
cmake_path(GET tpo_torch_dir PARENT_PATH TPO_LIBTORCH_ROOT)
message(STATUS "LibTorch: ${tpo_torch_dir}")

add_library(tpo::c10 SHARED IMPORTED)
set_target_properties(tpo::c10 PROPERTIES IMPORTED_LOCATION "${TPO_LIBTORCH_LIB_DIR}/libc10.so")

add_library(tpo::torch_cpu SHARED IMPORTED)
set_target_properties(tpo::torch_cpu PROPERTIES IMPORTED_LOCATION "${TPO_LIBTORCH_LIB_DIR}/libtorch_cpu.so")

add_library(tpo_libtorch INTERFACE)
add_library(tpo::libtorch ALIAS tpo_libtorch)
target_link_libraries(tpo_libtorch INTERFACE tpo::torch_cpu tpo::c10 Threads::Threads)
# After the system's folders: LibTorch carries old copies of google/protobuf and fmt. It also makes them system headers.
target_compile_options(
  tpo_libtorch INTERFACE "SHELL:-idirafter ${tpo_torch_dir}/include/torch/csrc/api/include"
                         "SHELL:-idirafter ${tpo_torch_dir}/include")
target_compile_definitions(tpo_libtorch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)

# libtorch_cpu.so finds the CUDA libraries by its own run path; the linker has to be told.
file(GLOB tpo_nvidia_lib_dirs "${TPO_LIBTORCH_ROOT}/nvidia/*/lib")
foreach(dir IN LISTS tpo_nvidia_lib_dirs)
  target_link_options(tpo_libtorch INTERFACE "LINKER:-rpath-link,${dir}")
endforeach()

# at::parallel_for is a template, so it is compiled into our code and runs serially unless that knows OpenMP. Linking
# the libgomp that LibTorch carries keeps one thread pool in the process. (Clang's OpenMP needs another runtime.)
file(GLOB tpo_libgomp "${TPO_LIBTORCH_LIB_DIR}/libgomp*.so*")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND tpo_libgomp)
  list(GET tpo_libgomp 0 tpo_libgomp)
  add_library(tpo::gomp SHARED IMPORTED)
  set_target_properties(tpo::gomp PROPERTIES IMPORTED_LOCATION "${tpo_libgomp}")
  target_compile_options(tpo_libtorch INTERFACE -fopenmp)
  target_link_libraries(tpo_libtorch INTERFACE tpo::gomp)
endif()

if(TPO_USE_PCH)
  # One precompiled header for all: parsing LibTorch is most of a unit's compile time. It holds tensors and autograd, not
  # torch/torch.h, whose modules, data loaders and optimisers would make it larger and slower to load for every unit.
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/cmake/torch_pch.cc" CONTENT "")
  add_library(tpo_torch_pch OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/cmake/torch_pch.cc")
  target_link_libraries(tpo_torch_pch PRIVATE tpo::libtorch)
  target_precompile_headers(tpo_torch_pch PRIVATE <ATen/Parallel.h> <torch/autograd.h> <torch/types.h> <torch/utils.h>)
  tpo_compile_options(tpo_torch_pch)
endif()

# tpo_use_torch_pch(<target>)
#
# Precompiles the LibTorch headers for a target that links tpo::libtorch: worth it for every target whose sources
# include torch or ATen headers. Sources must still include what they use.
function(tpo_use_torch_pch target)
  if(TPO_USE_PCH AND TARGET tpo_torch_pch AND TARGET ${target})
    target_precompile_headers(${target} REUSE_FROM tpo_torch_pch)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # ccache cannot cache a unit with a precompiled header without it.
      target_compile_options(${target} PRIVATE -fpch-preprocess)
    endif()
  endif()
endfunction()

# Libraries from the system. LibTorch, which no distribution packages in a usable version, is in LibTorch.cmake.
#
# Names for DEPS: tpo::allocator, absl::…, yaml-cpp, spdlog::spdlog, nlohmann_json::nlohmann_json, CLI11::CLI11, Threads::Threads;
# and, unless TPO_CORE_ONLY: tpo::libtorch, tpo::grpc, protobuf::libprotobuf, prometheus-cpp::pull, civetweb::civetweb,
# CURL::libcurl.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)

# Programs that pass groups between threads: what one thread allocates another frees, which glibc's allocator does
# under a lock. gperftools' takes a seventh off a run's processor time (docs/results/README.md). Sanitizers bring their own.
add_library(tpo_allocator INTERFACE)
if(NOT TPO_SANITIZERS)
  find_library(TPO_TCMALLOC NAMES libtcmalloc_minimal.so.4 REQUIRED)
  mark_as_advanced(TPO_TCMALLOC)
  target_link_libraries(tpo_allocator INTERFACE -Wl,--push-state,--no-as-needed "${TPO_TCMALLOC}" -Wl,--pop-state)
endif()
add_library(tpo::allocator ALIAS tpo_allocator)

if(NOT TPO_CORE_ONLY)
  # The module, not protobuf's own configuration: distributions ship protobuf built without CMake.
  find_package(Protobuf MODULE REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
  find_package(prometheus-cpp CONFIG REQUIRED)
  find_package(civetweb CONFIG REQUIRED)
  find_package(CURL MODULE REQUIRED)
  find_program(TPO_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
  mark_as_advanced(TPO_GRPC_CPP_PLUGIN)

  add_library(tpo_grpc INTERFACE)
  target_link_libraries(tpo_grpc INTERFACE gRPC::grpc++ protobuf::libprotobuf)
  add_library(tpo::grpc ALIAS tpo_grpc)

  if(TPO_USE_LIBTORCH)
    include(LibTorch)
  endif()
endif()

if(TPO_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()
if(TPO_BUILD_BENCHMARKS)
  find_package(benchmark CONFIG REQUIRED)
endif()

# Target tpo_version: core/version.h, with the commit looked up at build time.
#
# The lookup runs at every build but rewrites its header only when the commit changed, so then one source is compiled
# anew; all else stays.

set(tpo_version_dir "${CMAKE_BINARY_DIR}/version")
configure_file("${PROJECT_SOURCE_DIR}/cmake/version.cc.in" "${tpo_version_dir}/version.cc" @ONLY)

add_custom_target(
  tpo_version_commit
  COMMAND "${CMAKE_COMMAND}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DOUTPUT=${tpo_version_dir}/version_commit.inc" -P
          "${PROJECT_SOURCE_DIR}/cmake/WriteCommit.cmake"
  BYPRODUCTS "${tpo_version_dir}/version_commit.inc"
  COMMENT ""
  VERBATIM)

add_library(tpo_version STATIC "${tpo_version_dir}/version.cc")
add_dependencies(tpo_version tpo_version_commit)
target_include_directories(
  tpo_version
  PUBLIC ${TPO_INCLUDE_ROOT}
  PRIVATE "${tpo_version_dir}")
tpo_compile_options(tpo_version)

# cmake -DSOURCE_DIR=… -DOUTPUT=… -P WriteCommit.cmake
#
# Writes the commit as a C string literal. A source tree outside git can name it in $TPO_COMMIT (image builds do).

cmake_minimum_required(VERSION 3.25)

set(commit "$ENV{TPO_COMMIT}")
if(NOT commit)
  execute_process(
    COMMAND git -c "safe.directory=${SOURCE_DIR}" describe --always --dirty --exclude=* --abbrev=12
    WORKING_DIRECTORY "${SOURCE_DIR}"
    OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
endif()
if(NOT commit)
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT "\"@commit@\"\n" @ONLY)

// What build this is: for --version, summary.json and the build-info metric.
//
// Thread-safe: constants of the program.
#ifndef TPO_CORE_VERSION_H_
#define TPO_CORE_VERSION_H_

#include <string_view>

namespace tpo {

// Release number, such as "0.1.0".
std::string_view Version();

// Abbreviated git commit, with "-dirty" appended when the sources differed from it; "unknown"
// outside git.
std::string_view Commit();

// CMake build type, such as "Release".
std::string_view BuildType();

// Compiler and its version, such as "GNU 12.2.0".
std::string_view Compiler();

}  // namespace tpo

#endif  // TPO_CORE_VERSION_H_

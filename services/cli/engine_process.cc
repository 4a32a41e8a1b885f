#include "services/cli/engine_process.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tpo {
namespace {

std::string ProgramDirectory(const std::string& program) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path(program) : self).parent_path().string();
}

}  // namespace

std::vector<std::string> EngineCandidates(const std::string& program_directory) {
  const std::filesystem::path directory(program_directory);
  return {(directory.parent_path() / "lib" / "tpo" / "tpo-engine").string(),
          (directory / "tpo-engine").string()};
}

absl::Status ExecEngine(char** argv) {
  const std::vector<std::string> candidates = EngineCandidates(ProgramDirectory(argv[0]));
  for (const std::string& engine : candidates) {
    std::error_code error;
    if (!std::filesystem::exists(engine, error)) continue;
    execv(engine.c_str(), argv);
    return absl::UnavailableError(
        absl::StrCat("cannot execute ", engine, ": ", std::generic_category().message(errno)));
  }
  return absl::UnavailableError(absl::StrCat(
      "this command needs the program tpo-engine, which is neither at ",
      absl::StrJoin(candidates, " nor at "), "; build all of it, or install it whole"));
}

}  // namespace tpo

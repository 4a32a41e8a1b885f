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

std::vector<std::string> ProgramCandidates(const std::string& program_directory,
                                           const std::string& program) {
  const std::filesystem::path directory(program_directory);
  return {(directory.parent_path() / "lib" / "tpo" / program).string(),
          (directory / program).string()};
}

absl::Status ExecProgram(const std::string& program, char** argv) {
  const std::vector<std::string> candidates = ProgramCandidates(ProgramDirectory(argv[0]), program);
  for (const std::string& candidate : candidates) {
    std::error_code error;
    if (!std::filesystem::exists(candidate, error)) continue;
    execv(candidate.c_str(), argv);
    return absl::UnavailableError(
        absl::StrCat("cannot execute ", candidate, ": ", std::generic_category().message(errno)));
  }
  return absl::UnavailableError(absl::StrCat(
      "this command needs the program ", program, ", which is neither at ",
      absl::StrJoin(candidates, " nor at "), "; build all of it, or install it whole"));
}

}  // namespace tpo

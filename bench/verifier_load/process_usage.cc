#include "bench/verifier_load/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace tpo {

absl::StatusOr<ProcessUsage> UsageOf(pid_t process) {
  const std::string path = absl::StrCat("/proc/", process, "/stat");
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos)
    return absl::NotFoundError(absl::StrCat(path, ": no such process"));
  // Fields are counted from 1 in proc(5); the first after the name is the third.
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  for (int field = 16; field < 20; ++field) fields >> skipped;
  ProcessUsage usage;
  fields >> usage.threads;
  for (int field = 21; field < 24; ++field) fields >> skipped;
  int64_t pages = 0;
  fields >> pages;
  usage.cpu =
      absl::Seconds(static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
  usage.resident_bytes = pages * sysconf(_SC_PAGESIZE);
  return usage;
}

}  // namespace tpo

#include "services/config/config_errors.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tpo {
namespace {

// More than this helps nobody.
constexpr size_t kMaxErrors = 20;

}  // namespace

std::string ConfigPlaces::Find(std::string path) const {
  while (!places_.contains(path)) {
    if (path.empty()) return "";
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
  return places_.at(path);
}

void ConfigErrors::Add(const std::string& where, const std::string& path, const std::string& what) {
  if (messages_.size() == kMaxErrors) messages_.push_back("(further errors are not shown)");
  if (messages_.size() > kMaxErrors) return;
  messages_.push_back(
      absl::StrCat(where, where.empty() ? "" : ": ", path, path.empty() ? "" : ": ", what));
}

absl::Status ConfigErrors::ToStatus() const {
  if (messages_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(messages_, "\n"));
}

std::string FieldPath(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

}  // namespace tpo

// A fresh folder that is removed with its content at the end of the scope. In memory where the
// system has such a place, for syncing to a device makes tests slow.
#ifndef TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_
#define TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace tpo {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    if (!Make("/dev/shm") && !Make(std::filesystem::temp_directory_path())) std::abort();
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  bool Make(const std::filesystem::path& parent) {
    std::string pattern = parent / "tpo_test_XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return false;
    path_ = pattern;
    return true;
  }

  std::string path_;
};

}  // namespace tpo

#endif  // TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_

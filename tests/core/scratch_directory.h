// A fresh folder that is removed with its content at the end of the scope.
#ifndef TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_
#define TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace tpo {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tpo_test_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
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
  std::string path_;
};

}  // namespace tpo

#endif  // TPO_TESTS_CORE_SCRATCH_DIRECTORY_H_

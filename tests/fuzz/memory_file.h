// A file in memory with a path, for code that opens files by name.
#ifndef TPO_TESTS_FUZZ_MEMORY_FILE_H_
#define TPO_TESTS_FUZZ_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "tests/fuzz/fuzz.h"

namespace tpo {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Require(descriptor_ >= 0, "memfd_create");
    while (!text.empty()) {
      const ssize_t written = write(descriptor_, text.data(), text.size());
      Require(written > 0, "write");
      text.remove_prefix(static_cast<size_t>(written));
    }
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  const int descriptor_;
};

}  // namespace tpo

#endif  // TPO_TESTS_FUZZ_MEMORY_FILE_H_

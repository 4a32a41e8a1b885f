#include "policy/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/regular_file.h"
#include "core/status_macros.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  TPO_ASSIGN_OR_RETURN(const RegularFile file, RegularFile::Open(path));
  const size_t size = file.size_bytes();
  void* data = nullptr;  // nothing can be mapped of an empty file
  if (size > 0) data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("can't map ", path));
  return std::unique_ptr<MappedFile>(new MappedFile(static_cast<const char*>(data), size));
}

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(const_cast<char*>(data_), size_);
}

}  // namespace tpo

// An owned file descriptor. Movable; closes at its end. Not thread-safe.
#ifndef TPO_VERIFIER_SANDBOX_FILE_DESCRIPTOR_H_
#define TPO_VERIFIER_SANDBOX_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace tpo {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { Close(); }

  int get() const { return descriptor_; }
  bool valid() const { return descriptor_ >= 0; }
  void Close() {
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_ = -1;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_FILE_DESCRIPTOR_H_

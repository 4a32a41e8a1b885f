#include "core/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

absl::Status SystemError(const char* what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

// Closes a file descriptor at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }

  int number() const { return number_; }
  // Some file systems report a failed write only here.
  int Close() {
    const int result = close(number_);
    number_ = -1;
    return result;
  }

 private:
  int number_;
};

absl::Status WriteAll(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError("write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFileSystem : public FileSystem {
 public:
  absl::StatusOr<std::string> ReadFile(const std::string& path) override {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number() < 0) return SystemError("open", path);
    struct stat facts {};
    if (fstat(file.number(), &facts) != 0) return SystemError("stat", path);
    // Room for one more byte, so that the end is found without growing.
    std::string content(static_cast<size_t>(std::max<off_t>(facts.st_size, 0)) + 1, '\0');
    size_t size = 0;
    while (true) {
      const ssize_t count = read(file.number(), content.data() + size, content.size() - size);
      if (count < 0) {
        if (errno == EINTR) continue;
        return SystemError("read", path);
      }
      if (count == 0) break;
      size += static_cast<size_t>(count);
      if (size == content.size()) content.resize(2 * content.size());
    }
    content.resize(size);
    return content;
  }

  absl::Status WriteFile(const std::string& path,
                         absl::Span<const std::string_view> pieces) override {
    Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.number() < 0) return SystemError("create", path);
    for (const std::string_view piece : pieces)
      TPO_RETURN_IF_ERROR(WriteAll(file.number(), piece, path));
    if (fsync(file.number()) != 0) return SystemError("sync", path);
    if (file.Close() != 0) return SystemError("close", path);
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0)
      return SystemError("rename", absl::StrCat(from, " to ", to));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    DIR* stream = opendir(directory.c_str());
    if (stream == nullptr) return SystemError("list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const absl::Status status = errno == 0 ? absl::OkStatus() : SystemError("list", directory);
    closedir(stream);
    TPO_RETURN_IF_ERROR(status);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status RemoveFile(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return SystemError("remove", path);
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(const std::string& directory) override {
    if (rmdir(directory.c_str()) != 0) return SystemError("remove", directory);
    return absl::OkStatus();
  }

  absl::Status CreateDirectory(const std::string& directory) override {
    const std::string parent = ParentOf(directory);
    if (mkdir(directory.c_str(), 0755) == 0) return SyncDirectory(parent);
    if (errno == ENOENT && parent != directory) {
      TPO_RETURN_IF_ERROR(CreateDirectory(parent));
      if (mkdir(directory.c_str(), 0755) == 0) return SyncDirectory(parent);
    }
    if (errno != EEXIST) return SystemError("create", directory);
    struct stat facts {};
    if (stat(directory.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("cannot create ", directory, ": there is a file of that name"));
  }

  absl::Status SyncDirectory(const std::string& directory) override {
    const Descriptor folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.number() < 0) return SystemError("open", directory);
    if (fsync(folder.number()) != 0) return SystemError("sync", directory);
    return absl::OkStatus();
  }
};

}  // namespace

FileSystem* FileSystem::Posix() {
  static PosixFileSystem file_system;
  return &file_system;
}

absl::Status WriteFileAtomically(FileSystem* file_system, const std::string& path,
                                 std::string_view content) {
  const std::string temporary = path + ".tmp";
  absl::Status status = file_system->WriteFile(temporary, {content});
  if (status.ok()) status = file_system->Rename(temporary, path);
  if (!status.ok()) {
    file_system->RemoveFile(temporary).IgnoreError();
    return status;
  }
  return file_system->SyncDirectory(ParentOf(path));
}

std::string JoinPath(const std::string& directory, const std::string& name) {
  if (directory.empty() || directory.back() == '/') return directory + name;
  return absl::StrCat(directory, "/", name);
}

}  // namespace tpo

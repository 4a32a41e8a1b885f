#include "verifier/sandbox/helper/work_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "verifier/sandbox/helper_protocol.h"

namespace tpo {
namespace {

// Names in a directory, at most so many at a time, since it may hold millions.
constexpr size_t kNamesAtATime = 4096;

std::vector<std::string> Names(int directory) {
  std::vector<std::string> names;
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
  if (stream == nullptr) return names;
  while (const struct dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    if (names.size() == kNamesAtATime) break;
  }
  closedir(stream);
  return names;
}

int OpenDirectory(int parent, const std::string& name) {
  // The program may have taken the rights away. fchmodat can't be misled here, since the entry was
  // found to be a directory and nobody else is left to change it.
  if (geteuid() != 0) fchmodat(parent, name.c_str(), 0700, 0);
  return openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool IsDirectory(int parent, const std::string& name) {
  struct stat status;
  return fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

// A directory on the way down: its name in the one above, and what is still to be looked at in it.
struct Level {
  std::string name;
  std::vector<std::string> names;
  bool progress = false;  // whether listing it again may find less
};

}  // namespace

std::string MakeWorkDirectory(const std::string& root, uid_t uid, gid_t gid) {
  std::string path = root + "/tpo-sandbox-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return "";
  if (geteuid() == 0 && chown(path.c_str(), uid, gid) != 0) {
    rmdir(path.c_str());
    return "";
  }
  return path;
}

bool RemoveWorkDirectory(const std::string& path) {
  int current = OpenDirectory(AT_FDCWD, path);
  if (current < 0) return false;
  std::vector<Level> levels(1);
  levels[0].names = Names(current);
  while (true) {
    Level& level = levels.back();
    if (level.names.empty() && level.progress) {
      level.progress = false;
      level.names = Names(current);
    }
    if (level.names.empty()) {
      if (levels.size() == 1) break;
      const std::string name = std::move(level.name);
      levels.pop_back();
      // Nobody is left who could move a directory, so this leads back up.
      const int above = openat(current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      close(current);
      current = above;
      if (above < 0) return false;
      levels.back().progress |= unlinkat(current, name.c_str(), AT_REMOVEDIR) == 0;
      continue;
    }
    const std::string name = std::move(level.names.back());
    level.names.pop_back();
    if (unlinkat(current, name.c_str(), 0) == 0) {
      level.progress = true;
    } else if (IsDirectory(current, name)) {
      const int below = OpenDirectory(current, name);
      if (below < 0) continue;
      close(current);
      current = below;
      levels.push_back({name, Names(current), false});
    }
  }
  close(current);
  return rmdir(path.c_str()) == 0;
}

bool WriteSource(const std::string& directory, const std::string& name) {
  const int file = open((directory + "/" + name).c_str(),
                        O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0) return false;
  std::array<char, 65536> buffer;
  off_t offset = 0;
  bool written = true;
  while (written) {
    const ssize_t length = pread(kSourceDescriptor, buffer.data(), buffer.size(), offset);
    if (length < 0) written = false;
    if (length <= 0) break;
    written = write(file, buffer.data(), static_cast<size_t>(length)) == length;
    offset += length;
  }
  return close(file) == 0 && written;
}

}  // namespace tpo

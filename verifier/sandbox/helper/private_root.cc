#include "verifier/sandbox/helper/private_root.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/layers.h"

namespace tpo {
namespace {

// Any directory that every machine has: in the new namespace the tree is mounted over it, and it is
// left behind at once.
constexpr char kMountPoint[] = "/tmp";

constexpr std::array<const char*, 4> kDevices = {"/dev/null", "/dev/zero", "/dev/random",
                                                 "/dev/urandom"};

// Makes the parents of `path` below `root`; 0 or -1.
int MakeParents(int root, const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (mkdirat(root, path.substr(1, slash - 1).c_str(), 0755) != 0 && errno != EEXIST) return -1;
  }
  return 0;
}

int MakeMountPoint(int root, const std::string& path, bool is_directory) {
  if (MakeParents(root, path) != 0) return -1;
  if (is_directory) {
    return mkdirat(root, path.c_str() + 1, 0755) == 0 || errno == EEXIST ? 0 : -1;
  }
  const int fd = openat(root, path.c_str() + 1, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  return fd < 0 ? -1 : close(fd);
}

// Makes the new tree the root and lets go of the old one.
StepFailure SwitchRoot(int root) {
  if (fchdir(root) != 0) return Failed(kLayerMountNamespace, "fchdir");
  if (syscall(SYS_pivot_root, ".", ".") == 0) {
    if (umount2(".", MNT_DETACH) != 0)
      return Failed(kLayerMountNamespace, "umount of the old root");
  } else {
    // A machine that runs from its initial memory file system can't pivot away from it.
    if (mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) {
      return Failed(kLayerMountNamespace, "pivot_root and move");
    }
    if (chroot(".") != 0) return Failed(kLayerMountNamespace, "chroot");
  }
  if (chdir("/") != 0) return Failed(kLayerMountNamespace, "chdir");
  return {};
}

}  // namespace

StepFailure PrivateRoot::OpenEntry(const std::string& path, uint64_t attributes) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? StepFailure{} : Failed(kLayerMountNamespace, "lstat", path.c_str());
  }
  Entry entry;
  entry.path = path;
  if (S_ISLNK(status.st_mode)) {
    std::array<char, 4096> target;
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    if (length < 0) return Failed(kLayerMountNamespace, "readlink", path.c_str());
    entry.link_target.assign(target.data(), static_cast<size_t>(length));
    entries_.push_back(entry);
    return {};
  }
  entry.is_directory = S_ISDIR(status.st_mode);
  entry.tree = open_tree(AT_FDCWD, path.c_str(),
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
  if (entry.tree < 0) return Failed(kLayerMountNamespace, "open_tree", path.c_str());
  struct mount_attr attribute = {};
  attribute.attr_set = attributes;
  if (mount_setattr(entry.tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attribute, sizeof(attribute)) !=
      0) {
    return Failed(kLayerMountNamespace, "mount_setattr", path.c_str());
  }
  entries_.push_back(entry);
  return {};
}

StepFailure PrivateRoot::Open(const HelperOptions& options) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Failed(kLayerMountNamespace, "making mounts private");
  }
  for (const std::string& path : options.readable_paths) {
    const StepFailure failure =
        OpenEntry(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (failure.failed) return failure;
  }
  for (const char* device : kDevices) {
    const StepFailure failure = OpenEntry(device, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (failure.failed) return failure;
  }
  return {};
}

StepFailure PrivateRoot::Enter(const HelperOptions& options, uid_t uid, gid_t gid) {
  if (mount("tmpfs", kMountPoint, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4k,mode=755") !=
      0) {
    return Failed(kLayerMountNamespace, "mounting the root");
  }
  const int root = open(kMountPoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return Failed(kLayerMountNamespace, "opening the root");
  for (const Entry& entry : entries_) {
    if (!entry.link_target.empty()) {
      if (MakeParents(root, entry.path) != 0 ||
          (symlinkat(entry.link_target.c_str(), root, entry.path.c_str() + 1) != 0 &&
           errno != EEXIST)) {
        return Failed(kLayerMountNamespace, "linking", entry.path.c_str());
      }
      continue;
    }
    // EROFS: it lies below an earlier entry, which shows it already.
    if (MakeMountPoint(root, entry.path, entry.is_directory) != 0 && errno != EROFS) {
      return Failed(kLayerMountNamespace, "making", entry.path.c_str());
    }
    if (move_mount(entry.tree, "", root, entry.path.c_str() + 1, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      return Failed(kLayerMountNamespace, "mounting", entry.path.c_str());
    }
    close(entry.tree);
  }
  if (mkdirat(root, kSandboxWorkDirectory + 1, 0755) != 0 ||
      (symlinkat(kSandboxWorkDirectory + 1, root, "tmp") != 0 && errno != EEXIST)) {
    return Failed(kLayerMountNamespace, "making the work directory");
  }
  std::array<char, 128> attributes;
  // One inode for each 4 KiB: what the smallest file takes anyway.
  std::snprintf(attributes.data(), attributes.size(),
                "size=%llu,nr_inodes=%llu,mode=700,uid=%u,gid=%u",
                static_cast<unsigned long long>(options.disk_bytes),
                static_cast<unsigned long long>(options.disk_bytes / 4096 + 16), uid, gid);
  const std::string work = std::string(kMountPoint) + kSandboxWorkDirectory;
  if (mount("tmpfs", work.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, attributes.data()) !=
      0) {
    return Failed(kLayerMountNamespace, "mounting the work directory");
  }
  struct mount_attr read_only = {};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (mount_setattr(root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) != 0) {
    return Failed(kLayerMountNamespace, "making the root read-only");
  }
  const StepFailure failure = SwitchRoot(root);
  close(root);
  return failure;
}

}  // namespace tpo

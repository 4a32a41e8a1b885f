// A file system in memory that knows what would survive: a process that dies loses nothing that it
// did, a machine that loses power loses the names that weren't synced.
#ifndef TPO_TESTS_SIMULATION_MEMORY_FILE_SYSTEM_H_
#define TPO_TESTS_SIMULATION_MEMORY_FILE_SYSTEM_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/file_system.h"
#include "tests/simulation/random.h"

namespace tpo::simulation {

// Not thread-safe.
class MemoryFileSystem : public FileSystem {
 public:
  // Change number `change` from now on, counted from 1, fails with `error`; a file that is being
  // written is left in part.
  void FailChange(int change, absl::Status error) { fail_in_ = change, error_ = std::move(error); }
  // `changes` more changes take place, then none until Revive.
  void CrashAfter(int changes) { crash_in_ = changes + 1; }
  bool crashed() const { return crashed_; }
  // Faults that were asked for and didn't come are called off.
  void Revive();

  // What a power failure leaves: of every folder either its names as they are or as they were
  // synced.
  void LosePower(Random& random);

  absl::StatusOr<std::string> ReadFile(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  absl::Status WriteFile(const std::string& path,
                         absl::Span<const std::string_view> pieces) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& directory) override;
  absl::Status CreateDirectory(const std::string& directory) override;
  absl::Status SyncDirectory(const std::string& directory) override;

 private:
  struct Node;
  using NodePointer = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePointer>;
  struct Node {
    bool is_directory = false;
    std::string content = {};
    Names names = {};
    Names synced_names = {};
  };

  // The fault of the change that begins now, if any.
  absl::Status Fault();
  NodePointer Find(const std::string& path) const;
  // The folder that holds a path's last name, and that name.
  std::pair<NodePointer, std::string> Parent(const std::string& path) const;
  void LosePower(Node& directory, Random& random);

  NodePointer root_ = std::make_shared<Node>(Node{.is_directory = true});
  int fail_in_ = 0;   // changes until the one that fails; 0: none
  int crash_in_ = 0;  // likewise
  absl::Status error_;
  bool crashed_ = false;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_MEMORY_FILE_SYSTEM_H_

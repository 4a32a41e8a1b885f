#include "tests/simulation/memory_file_system.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tpo::simulation {
namespace {

absl::Status Missing(const std::string& path) {
  return absl::NotFoundError(absl::StrCat(path, ": no such file or directory"));
}

std::vector<std::string> Parts(const std::string& path) {
  return absl::StrSplit(path, '/', absl::SkipEmpty());
}

}  // namespace

void MemoryFileSystem::Revive() {
  fail_in_ = 0;
  crash_in_ = 0;
  crashed_ = false;
}

void MemoryFileSystem::LosePower(Random& random) { LosePower(*root_, random); }

void MemoryFileSystem::LosePower(Node& directory, Random& random) {
  if (random.Chance(0.5)) directory.names = directory.synced_names;
  directory.synced_names = directory.names;
  for (const auto& [name, node] : directory.names) {
    if (node->is_directory) LosePower(*node, random);
  }
}

absl::Status MemoryFileSystem::Fault() {
  if (crashed_) return absl::AbortedError("crashed");
  if (crash_in_ > 0 && --crash_in_ == 0) {
    crashed_ = true;
    return absl::AbortedError("crashed");
  }
  if (fail_in_ > 0 && --fail_in_ == 0) return error_;
  return absl::OkStatus();
}

MemoryFileSystem::NodePointer MemoryFileSystem::Find(const std::string& path) const {
  NodePointer node = root_;
  for (const std::string& part : Parts(path)) {
    const auto next = node->names.find(part);
    if (next == node->names.end()) return nullptr;
    node = next->second;
  }
  return node;
}

std::pair<MemoryFileSystem::NodePointer, std::string> MemoryFileSystem::Parent(
    const std::string& path) const {
  std::vector<std::string> parts = Parts(path);
  const std::string name = parts.back();
  NodePointer node = root_;
  for (size_t i = 0; i + 1 < parts.size() && node != nullptr; ++i) {
    const auto next = node->names.find(parts[i]);
    node = next == node->names.end() ? nullptr : next->second;
  }
  return {node, name};
}

absl::StatusOr<std::string> MemoryFileSystem::ReadFile(const std::string& path) {
  const NodePointer node = Find(path);
  if (node == nullptr || node->is_directory) return Missing(path);
  return node->content;
}

absl::StatusOr<std::vector<std::string>> MemoryFileSystem::List(const std::string& directory) {
  const NodePointer node = Find(directory);
  if (node == nullptr) return Missing(directory);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

absl::Status MemoryFileSystem::WriteFile(const std::string& path,
                                         absl::Span<const std::string_view> pieces) {
  const bool was_crashed = crashed_;
  const absl::Status fault = Fault();
  if (was_crashed) return fault;
  const auto [parent, name] = Parent(path);
  if (parent == nullptr) return Missing(path);
  NodePointer& file = parent->names[name];
  file = std::make_shared<Node>();
  for (const std::string_view piece : pieces) file->content.append(piece);
  if (!fault.ok()) file->content.resize(file->content.size() / 2);
  return fault;
}

absl::Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  const absl::Status fault = Fault();
  if (!fault.ok()) return fault;
  const auto [from_parent, from_name] = Parent(from);
  const auto [to_parent, to_name] = Parent(to);
  if (from_parent == nullptr || to_parent == nullptr) return Missing(from);
  const auto found = from_parent->names.find(from_name);
  if (found == from_parent->names.end()) return Missing(from);
  const auto replaced = to_parent->names.find(to_name);
  if (replaced != to_parent->names.end() && replaced->second->is_directory &&
      !replaced->second->names.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(to, ": directory not empty"));
  }
  const NodePointer node = found->second;
  from_parent->names.erase(found);
  to_parent->names[to_name] = node;
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RemoveFile(const std::string& path) {
  const absl::Status fault = Fault();
  if (!fault.ok()) return fault;
  const auto [parent, name] = Parent(path);
  if (parent == nullptr || parent->names.erase(name) == 0) return Missing(path);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RemoveDirectory(const std::string& directory) {
  const absl::Status fault = Fault();
  if (!fault.ok()) return fault;
  const NodePointer node = Find(directory);
  if (node == nullptr) return Missing(directory);
  if (!node->names.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(directory, ": directory not empty"));
  }
  const auto [parent, name] = Parent(directory);
  parent->names.erase(name);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::CreateDirectory(const std::string& directory) {
  const absl::Status fault = Fault();
  if (!fault.ok()) return fault;
  NodePointer node = root_;
  for (const std::string& part : Parts(directory)) {
    NodePointer& next = node->names[part];
    if (next == nullptr) {
      next = std::make_shared<Node>(Node{.is_directory = true});
      node->synced_names[part] = next;
    }
    node = next;
  }
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::SyncDirectory(const std::string& directory) {
  const absl::Status fault = Fault();
  if (!fault.ok()) return fault;
  const NodePointer node = Find(directory);
  if (node == nullptr) return Missing(directory);
  node->synced_names = node->names;
  return absl::OkStatus();
}

}  // namespace tpo::simulation

// Durable states of a run: complete or absent, whatever moment the process or the machine dies at.
//
// A checkpoint is a folder `step_00000100` with model.safetensors, optimizer.safetensors,
// state.json and, written last, manifest.json with size and crc32c of each of the others. It is
// made under another name (`.tmp_…`), every file and folder is synced, then it is renamed: a
// `step_…` folder that exists was written whole. What the storage does to it later is found on
// loading, by the manifest.
//
// Not thread-safe: one caller at a time (learner/checkpoint_writer.h while a run goes on); one
// process per directory (the run directory's lock sees to that).
#ifndef TPO_LEARNER_CHECKPOINT_H_
#define TPO_LEARNER_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/lease_book.h"
#include "core/weight_snapshot.h"
#include "policy/safetensors.h"

namespace tpo {

// A state's tensors where training has them.
struct TensorsInPlace {
  std::vector<SafetensorsView> model;
  std::vector<SafetensorsView> optimizer;
  std::shared_ptr<const void> owner;  // keeps what the views point to
};

// All that a run needs to go on.
struct CheckpointData {
  int64_t step = 0;                           // steps done
  std::shared_ptr<const TensorBundle> model;  // shared with whoever publishes it
  TensorBundle optimizer;
  // For saving, instead of these two: no copy, but nobody may change the tensors meanwhile.
  std::shared_ptr<const TensorsInPlace> in_place = nullptr;
  LeaseBook::State lease_book;
  std::string run_id;
  uint64_t seed = 0;
  uint64_t tokens_total = 0;
  uint64_t groups_total = 0;
  int skipped_in_a_row = 0;  // steps whose update was left out, up to this one
  // Of the parts of the config that must not change on resume.
  std::string config_fingerprint;
  // What the run reads beside its config, by what it is for ("dataset", "model"), each with a
  // checksum: it must not change on resume either.
  std::map<std::string, std::string> inputs = {};
};

struct LoadedCheckpoint {
  CheckpointData data;
  std::string path;
  // Newer checkpoints that were damaged and passed over: how many, and what is wrong with them;
  // empty when there were none.
  int passed_over = 0;
  std::string warning;
};

class CheckpointStore {
 public:
  // Creates `directory` if need be and removes what a crash left there. `file_system` must outlive
  // the store. `keep` >= 1: how many checkpoints stay.
  static absl::StatusOr<CheckpointStore> Open(std::string directory, FileSystem* file_system,
                                              int keep);

  // Only for loading, also while another process saves: touches nothing.
  static CheckpointStore ForReading(std::string directory, FileSystem* file_system);

  // Writes a checkpoint and returns its path; it is durable then. Afterwards removes all but the
  // newest `keep`, and those of later steps: they belong to a course of the run that resuming from
  // an earlier checkpoint gave up. A sound checkpoint of the same step stays as it is when it holds
  // the same weights and optimizer state; else it belongs to such a course, too (a disk that
  // couldn't read it for a while, say), and is replaced. On an error
  // (the disk is full, say) the former checkpoints stand untouched; failing to remove old ones is
  // no error.
  absl::StatusOr<std::string> Save(const CheckpointData& data);

  // The newest checkpoint that is sound; nullopt when there is none at all. DATA_LOSS: there are
  // some, but all are damaged; the message says how.
  absl::StatusOr<std::optional<LoadedCheckpoint>> LoadNewest() const;

  // NOT_FOUND: there is none of this step. DATA_LOSS names the file that is missing, cut, changed
  // or not understood.
  absl::StatusOr<LoadedCheckpoint> Load(int64_t step) const;

  // Steps that there are checkpoints of, ascending.
  absl::StatusOr<std::vector<int64_t>> Steps() const;

 private:
  CheckpointStore(std::string directory, FileSystem* file_system, int keep);

  // Whether there is a sound checkpoint of the step with the same weights and optimizer state.
  bool HoldsTheSame(const CheckpointData& data) const;
  absl::Status WriteFiles(const std::string& folder, const CheckpointData& data) const;
  absl::Status Publish(const std::string& temporary, int64_t step) const;
  absl::Status Discard(const std::string& name) const;
  absl::Status RemoveFolder(const std::string& folder) const;
  void Prune(int64_t newest) const;
  std::string PathOf(int64_t step) const;

  std::string directory_;
  FileSystem* file_system_;
  int keep_;
};

}  // namespace tpo

#endif  // TPO_LEARNER_CHECKPOINT_H_

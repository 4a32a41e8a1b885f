// Writes checkpoints in the background, so that training goes on meanwhile: a thread of the writer
// copies what training is about to change, then brings the state to the disk.
//
//   learner: Begin ── forward, backward ── WaitUntilCopied ── update ── …
//   writer:       └─ copy ──────────────┘└─ write, sync ──────────── …
//
// One checkpoint is written at a time, so there is one copy of the state at most. A failure (the
// disk is full, or there is no memory for the copy, say) is a result like any other: the next
// checkpoint may succeed.
#ifndef TPO_LEARNER_CHECKPOINT_WRITER_H_
#define TPO_LEARNER_CHECKPOINT_WRITER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/admin_api.h"
#include "learner/checkpoint.h"

namespace tpo {

// Thread-safe, but for Begin.
class CheckpointWriter {
 public:
  // How one checkpoint ended.
  struct Result {
    int64_t step = 0;
    absl::Duration time;  // from Begin to the end
    absl::StatusOr<CheckpointInfo> info;
  };

  // `store` must outlive the writer, and is nobody else's to save to.
  explicit CheckpointWriter(CheckpointStore* store);
  // Waits for the checkpoint in progress.
  ~CheckpointWriter();

  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Begins to write; returns at once. `copy` is called first, from the writer's thread, and adds
  // what `data` lacks; nobody may change what it reads before WaitUntilCopied. Its error ends the
  // checkpoint. It may be empty. `on_end` is called from the writer's thread when it has ended
  // and the writer is idle; it must not block, and may be empty. REQUIRES: idle(); only one thread
  // at a time begins checkpoints.
  using Copy = std::function<absl::Status(CheckpointData&)>;
  void Begin(CheckpointData data, Copy copy, std::function<void(const Result&)> on_end = {});

  // Waits until the checkpoint in progress, if there is one, has its copy.
  void WaitUntilCopied() const;

  // Whether nothing is being written.
  bool idle() const;
  // The step that is being written.
  std::optional<int64_t> writing() const;
  // The newest checkpoint that this writer made durable.
  std::optional<CheckpointInfo> saved() const;
  // Waits until nothing is being written; false when that takes longer than `timeout`.
  bool WaitUntilIdle(absl::Duration timeout) const;

  // The results since the last call, in order.
  std::vector<Result> TakeResults();

 private:
  struct Job {
    CheckpointData data;
    Copy copy;
    std::function<void(const Result&)> on_end;
    absl::Duration begin;
  };
  void Run();
  // Copies and saves; exceptions (no memory) are errors, too.
  absl::StatusOr<CheckpointInfo> Write(Job& job);
  void NoteCopied();

  CheckpointStore* const store_;
  mutable absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Job> job_ ABSL_GUARDED_BY(mutex_);          // that nobody has taken up
  bool copied_ ABSL_GUARDED_BY(mutex_) = true;              // what is being written
  std::optional<int64_t> writing_ ABSL_GUARDED_BY(mutex_);  // from Begin to the end
  std::optional<CheckpointInfo> saved_ ABSL_GUARDED_BY(mutex_);
  std::vector<Result> results_ ABSL_GUARDED_BY(mutex_);
  // Last: it uses the members above.
  std::thread thread_;
};

}  // namespace tpo

#endif  // TPO_LEARNER_CHECKPOINT_WRITER_H_

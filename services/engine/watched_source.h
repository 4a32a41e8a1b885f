// A prompt source that is watched for failures: a row of a dataset that can't become a prompt is
// found when its turn comes, and ends the run with its line.
#ifndef TPO_SERVICES_ENGINE_WATCHED_SOURCE_H_
#define TPO_SERVICES_ENGINE_WATCHED_SOURCE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/prompt_source.h"

namespace tpo {

// Thread-safe.
class WatchedSource : public PromptSource {
 public:
  // `source` is borrowed.
  explicit WatchedSource(PromptSource* source) : source_(source) {}

  absl::StatusOr<Prompt> At(uint64_t index) override {
    absl::StatusOr<Prompt> prompt = source_->At(index);
    if (!prompt.ok()) {
      const absl::MutexLock lock(&mutex_);
      failure_.Update(prompt.status());
    }
    return prompt;
  }

  // The first one; OK when there was none.
  absl::Status failure() const {
    const absl::MutexLock lock(&mutex_);
    return failure_;
  }

 private:
  PromptSource* const source_;
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_WATCHED_SOURCE_H_

// What the leases of a rollout worker sample with, in turn: as many slots as may sample at the same
// time, each with a policy of its own. A lease gives its slot back while its groups are judged, so
// that the next lease is sampled meanwhile and a slow verifier costs latency, not throughput.
//
// SamplingSlots is thread-safe; a slot belongs to the thread that took it until it gives it back.
#ifndef TPO_ROLLOUT_SAMPLING_SLOTS_H_
#define TPO_ROLLOUT_SAMPLING_SLOTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/learner_api.h"
#include "core/types.h"
#include "policy/transformer.h"

namespace tpo {

struct SamplingSlot {
  // Makes the slot ready for a registration with the learner: nothing, if it is; else without
  // weights, since versions of different registrations don't compare. LibTorch's exceptions pass
  // through.
  absl::Status PrepareFor(const RunInfo& run);

  // Null with a language model, for which all slots share a sampler.
  std::unique_ptr<TransformerPolicy> policy;
  std::unique_ptr<TreeDecoder> decoder;
  WeightVersion version = -1;  // of the policy; -1: none yet
  std::string worker_id;       // of the registration
  absl::Duration without_weights_since;
};

class SamplingSlots {
 public:
  explicit SamplingSlots(int slots);

  // Waits for a slot; null after Close.
  SamplingSlot* Take();
  void GiveBack(SamplingSlot* slot);
  // Ends every Take, now and later.
  void Close();

 private:
  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<SamplingSlot>> slots_;
  // The one given back last is taken first.
  std::vector<SamplingSlot*> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_SAMPLING_SLOTS_H_

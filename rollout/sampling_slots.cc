#include "rollout/sampling_slots.h"

#include "core/clock.h"
#include "core/status_macros.h"
#include "policy/threads.h"

namespace tpo {

absl::Status SamplingSlot::PrepareFor(const RunInfo& run) {
  if (worker_id == run.worker_id) return absl::OkStatus();
  version = -1;
  without_weights_since = Clock::Monotonic().Now();
  if (run.language_model == nullptr) {
    TPO_ASSIGN_OR_RETURN(policy, MakeTransformer(run.transformer, {.device = DefaultDevice()}));
    decoder = policy->NewDecoder();
  }
  worker_id = run.worker_id;
  return absl::OkStatus();
}

SamplingSlots::SamplingSlots(int slots) {
  for (int i = 0; i < slots; ++i) {
    slots_.push_back(std::make_unique<SamplingSlot>());
    free_.push_back(slots_.back().get());
  }
}

SamplingSlot* SamplingSlots::Take() {
  const absl::MutexLock lock(&mutex_);
  while (!closed_ && free_.empty()) changed_.Wait(&mutex_);
  if (closed_) return nullptr;
  SamplingSlot* const slot = free_.back();
  free_.pop_back();
  return slot;
}

void SamplingSlots::GiveBack(SamplingSlot* slot) {
  const absl::MutexLock lock(&mutex_);
  free_.push_back(slot);
  changed_.Signal();
}

void SamplingSlots::Close() {
  const absl::MutexLock lock(&mutex_);
  closed_ = true;
  changed_.SignalAll();
}

}  // namespace tpo

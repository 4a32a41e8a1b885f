#include "core/weight_store.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tpo {

absl::Status WeightStore::Publish(std::shared_ptr<const WeightSnapshot> snapshot) {
  if (snapshot == nullptr) return absl::InvalidArgumentError("no snapshot to publish");
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::FailedPreconditionError("the weight store is closed");
    if (newest_ != nullptr && snapshot->version <= newest_->version) {
      return absl::FailedPreconditionError(absl::StrCat(
          "weight version ", snapshot->version, " isn't above the newest, ", newest_->version));
    }
    // The old snapshot, if this was its last owner, is freed after the lock.
    newest_.swap(snapshot);
  }
  NotifySubscribers();
  return absl::OkStatus();
}

std::shared_ptr<const WeightSnapshot> WeightStore::Newest() const {
  absl::MutexLock lock(&mutex_);
  return newest_;
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WeightStore::WaitForNewer(
    WeightVersion newer_than, absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto is_over = [this, newer_than]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || (newest_ != nullptr && newest_->version > newer_than);
  };
  const bool over = mutex_.AwaitWithTimeout(absl::Condition(&is_over), timeout);
  if (closed_) return absl::CancelledError("the weight store is closed");
  if (!over) {
    return absl::DeadlineExceededError(
        absl::StrCat("no weight version above ", newer_than, " was published in time"));
  }
  return newest_;
}

uint64_t WeightStore::Subscribe(std::function<void()> on_change) {
  absl::MutexLock lock(&subscribers_mutex_);
  const uint64_t subscription = next_subscription_++;
  subscribers_.emplace(subscription, std::move(on_change));
  return subscription;
}

void WeightStore::Unsubscribe(uint64_t subscription) {
  absl::MutexLock lock(&subscribers_mutex_);
  subscribers_.erase(subscription);
}

void WeightStore::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    closed_ = true;
  }
  NotifySubscribers();
}

bool WeightStore::closed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

void WeightStore::NotifySubscribers() {
  absl::MutexLock lock(&subscribers_mutex_);
  for (const auto& [subscription, on_change] : subscribers_) on_change();
}

}  // namespace tpo

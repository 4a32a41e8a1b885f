#include "learner/learner_endpoint.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "learner/admission.h"

namespace tpo {
namespace {

std::string RandomToken() {
  std::random_device random;
  return absl::StrCat(absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

// A policy that was never published can't have sampled anything.
absl::Status CheckPublished(const Group& group,
                            const std::shared_ptr<const WeightSnapshot>& newest) {
  if (newest == nullptr) return absl::OkStatus();
  for (size_t k = 0; k < group.completions.size(); ++k) {
    // Versions ascend within a completion.
    const WeightVersion version = group.completions[k].weight_versions.back().weight_version;
    if (version > newest->version) {
      return absl::InvalidArgumentError(
          absl::StrCat("completions[", k, "].weight_versions: ", version,
                       " isn't published; the newest is ", newest->version));
    }
  }
  return absl::OkStatus();
}

}  // namespace

LearnerEndpoint::LearnerEndpoint(RunInfo run, LeaseBook* lease_book, WeightStore* weights,
                                 const Clock* clock)
    : run_(std::move(run)),
      lease_book_(lease_book),
      weights_(weights),
      clock_(clock),
      incarnation_(RandomToken()) {}

absl::StatusOr<RunInfo> LearnerEndpoint::Register(const std::string& /*worker_name*/) {
  RunInfo run = run_;
  absl::MutexLock lock(&mutex_);
  if (workers_.size() >= kMaxWorkers) {
    workers_.erase(std::min_element(
        workers_.begin(), workers_.end(),
        [](const auto& a, const auto& b) { return a.second.last_call < b.second.last_call; }));
  }
  run.worker_id = absl::StrCat("worker-", incarnation_, "-", next_worker_++);
  workers_[run.worker_id].last_call = clock_->Now();
  return run;
}

absl::Status LearnerEndpoint::Touch(const std::string& worker_id) {
  absl::MutexLock lock(&mutex_);
  const auto worker = workers_.find(worker_id);
  if (worker == workers_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "worker_id: '", worker_id, "' isn't registered with this learner; register again"));
  }
  worker->second.last_call = clock_->Now();
  return absl::OkStatus();
}

absl::StatusOr<LeaseResult> LearnerEndpoint::LeasePrompts(const std::string& worker_id) {
  TPO_RETURN_IF_ERROR(Touch(worker_id));
  absl::StatusOr<LeaseResult> result = lease_book_->LeasePrompts();
  const NoLease* none = result.ok() ? std::get_if<NoLease>(&*result) : nullptr;
  if (none != nullptr && none->finished) {
    const absl::MutexLock lock(&mutex_);
    const auto worker = workers_.find(worker_id);
    if (worker != workers_.end()) worker->second.dismissed = true;
  }
  return result;
}

absl::StatusOr<std::vector<SubmitResult>> LearnerEndpoint::SubmitGroups(
    const std::string& worker_id, const std::vector<Group>& groups) {
  TPO_RETURN_IF_ERROR(Touch(worker_id));
  std::vector<SubmitResult> results;
  results.reserve(groups.size());
  for (const Group& group : groups) results.push_back(SubmitGroup(group));
  return results;
}

SubmitResult LearnerEndpoint::SubmitGroup(const Group& group) {
  const absl::Status valid =
      ValidateGroup(group, run_.sampling, run_.transformer.vocab_size, run_.want_token_rewards);
  const absl::Status published = valid.ok() ? CheckPublished(group, weights_->Newest()) : valid;
  if (published.ok()) return lease_book_->Submit(group);
  return lease_book_->Reject(group.lease_id, group.prompt_id, std::string(published.message()));
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> LearnerEndpoint::WaitForWeights(
    const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) {
  TPO_RETURN_IF_ERROR(Touch(worker_id));
  auto snapshot = weights_->WaitForNewer(newer_than, timeout);
  // A worker that waited was present all the time.
  Touch(worker_id).IgnoreError();
  return snapshot;
}

uint32_t LearnerEndpoint::worker_count() const {
  const absl::MutexLock lock(&mutex_);
  return static_cast<uint32_t>(
      std::count_if(workers_.begin(), workers_.end(),
                    [this](const auto& worker) { return IsPresent(worker.second); }));
}

bool LearnerEndpoint::WaitUntilDismissed(absl::Duration timeout) const {
  const absl::MutexLock lock(&mutex_);
  const auto all_told = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::all_of(workers_.begin(), workers_.end(), [this](const auto& worker) {
      return worker.second.dismissed || !IsPresent(worker.second);
    });
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&all_told), timeout);
}

}  // namespace tpo

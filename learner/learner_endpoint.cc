#include "learner/learner_endpoint.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "learner/admission.h"

namespace tpo {
namespace {

// How often a wait for workers looks whether they are gone.
constexpr absl::Duration kDismissalPoll = absl::Milliseconds(50);

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

absl::StatusOr<RunInfo> LearnerEndpoint::Register(const std::string& worker_name) {
  RunInfo run = run_;
  absl::MutexLock lock(&mutex_);
  if (workers_.size() >= kMaxWorkers) {
    const auto oldest = std::min_element(
        workers_.begin(), workers_.end(),
        [](const auto& a, const auto& b) { return a.second.last_call < b.second.last_call; });
    // Else somebody who registers again and again would drive those away who work.
    if (IsPresent(oldest->second)) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the learner has its ", kMaxWorkers, " workers, all of which called within the last ",
          absl::FormatDuration(kPresence)));
    }
    workers_.erase(oldest);
  }
  run.worker_id = absl::StrCat("worker-", incarnation_, "-", next_worker_++);
  Worker& worker = workers_[run.worker_id];
  worker.last_call = clock_->Now();
  worker.name = worker_name;
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
  ReturnLeasesOfLostWorkers();
  absl::StatusOr<LeaseResult> result = lease_book_->LeasePrompts();
  if (!result.ok()) return result;
  const Lease* const lease = std::get_if<Lease>(&*result);
  const absl::MutexLock lock(&mutex_);
  const auto worker = workers_.find(worker_id);
  if (worker == workers_.end()) {
    // It left in the meantime.
    if (lease != nullptr) lease_book_->ReturnLease(lease->id);
    return result;
  }
  if (lease == nullptr) {
    const NoLease& none = std::get<NoLease>(*result);
    if (none.finished || none.draining) worker->second.dismissed = true;
    return result;
  }
  std::deque<uint64_t>& leases = worker->second.leases;
  leases.push_back(lease->id);
  if (leases.size() > kMaxLeases) leases.pop_front();
  return result;
}

absl::Status LearnerEndpoint::Deregister(const std::string& worker_id) {
  std::deque<uint64_t> leases;
  {
    const absl::MutexLock lock(&mutex_);
    const auto worker = workers_.find(worker_id);
    if (worker == workers_.end()) return absl::OkStatus();
    leases = std::move(worker->second.leases);
    workers_.erase(worker);
  }
  for (const uint64_t lease : leases) lease_book_->ReturnLease(lease);
  return absl::OkStatus();
}

void LearnerEndpoint::OnConnection(const std::string& worker_id, Connection connection) {
  const absl::MutexLock lock(&mutex_);
  const auto found = workers_.find(worker_id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  if (connection == Connection::kOpened) {
    ++worker.connections;
    worker.lost = false;
    lost_workers_.erase(worker_id);
    return;
  }
  if (--worker.connections > 0 || connection == Connection::kClosed) return;
  worker.lost = true;
  worker.lost_at = clock_->Now();
  lost_workers_.insert(worker_id);
}

void LearnerEndpoint::ReturnLeasesOfLostWorkers() {
  std::vector<uint64_t> leases;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto id = lost_workers_.begin(); id != lost_workers_.end();) {
      const auto worker = workers_.find(*id);
      if (worker != workers_.end()) {
        if (!IsGone(worker->second)) {
          ++id;
          continue;
        }
        leases.insert(leases.end(), worker->second.leases.begin(), worker->second.leases.end());
        worker->second.leases.clear();
      }
      id = lost_workers_.erase(id);
    }
  }
  for (const uint64_t lease : leases) lease_book_->ReturnLease(lease);
}

void LearnerEndpoint::ReportTimes(const std::string& worker_id, const WorkerTimes& times) {
  const absl::MutexLock lock(&mutex_);
  const auto worker = workers_.find(worker_id);
  if (worker == workers_.end()) return;
  // Reports of one worker may overtake each other.
  const auto raise = [](absl::Duration reported, absl::Duration& known, absl::Duration& total) {
    if (reported <= known) return;
    total += reported - known;
    known = reported;
  };
  // What it did before it knew this learner isn't ours.
  if (!worker->second.times.has_value()) worker->second.times = times;
  WorkerTimes& known = *worker->second.times;
  raise(times.waiting_for_lease, known.waiting_for_lease, worker_times_.waiting_for_lease);
  raise(times.waiting_for_weights, known.waiting_for_weights, worker_times_.waiting_for_weights);
  raise(times.sampling, known.sampling, worker_times_.sampling);
  raise(times.waiting_for_verdicts, known.waiting_for_verdicts, worker_times_.waiting_for_verdicts);
  raise(times.submitting, known.submitting, worker_times_.submitting);
}

WorkerTimes LearnerEndpoint::worker_times() const {
  const absl::MutexLock lock(&mutex_);
  return worker_times_;
}

absl::StatusOr<std::vector<SubmitResult>> LearnerEndpoint::SubmitGroups(
    const std::string& worker_id, const std::vector<Group>& groups) {
  TPO_RETURN_IF_ERROR(Touch(worker_id));
  std::vector<SubmitResult> results;
  results.reserve(groups.size());
  for (const Group& group : groups) results.push_back(SubmitGroup(group));
  CountGroups(worker_id, groups, results);
  return results;
}

void LearnerEndpoint::CountGroups(const std::string& worker_id, const std::vector<Group>& groups,
                                  const std::vector<SubmitResult>& results) {
  const absl::MutexLock lock(&mutex_);
  const auto found = workers_.find(worker_id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (results[i].outcome == SubmitOutcome::kDuplicate || results[i].repeated) continue;
    if (results[i].outcome != SubmitOutcome::kAccepted) {
      ++worker.groups_refused;
      continue;
    }
    ++worker.groups_accepted;
    worker.weight_version = OldestWeightVersion(groups[i]);
  }
}

SubmitResult LearnerEndpoint::SubmitGroup(const Group& group) {
  const absl::Status valid =
      ValidateGroup(group, run_.sampling, run_.vocab_size(), run_.want_token_rewards);
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

std::vector<WorkerStatus> LearnerEndpoint::workers_seen() const {
  std::vector<WorkerStatus> seen;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    for (const auto& [id, worker] : workers_) {
      if (now - worker.last_call >= kMemory) continue;
      seen.push_back({.name = worker.name,
                      .idle = now - worker.last_call,
                      .groups_accepted = worker.groups_accepted,
                      .groups_refused = worker.groups_refused,
                      .weight_version = worker.weight_version});
    }
  }
  std::sort(seen.begin(), seen.end(),
            [](const WorkerStatus& a, const WorkerStatus& b) { return a.idle < b.idle; });
  if (seen.size() > kMostShown) seen.resize(kMostShown);
  return seen;
}

bool LearnerEndpoint::AllAreTold() const {
  return std::all_of(workers_.begin(), workers_.end(), [this](const auto& worker) {
    return worker.second.dismissed || !IsPresent(worker.second);
  });
}

bool LearnerEndpoint::WaitUntilDismissed(absl::Duration timeout) {
  const absl::Duration give_up = Clock::Monotonic().Now() + timeout;
  // Looks now and then: that a worker is gone is a matter of time.
  while (true) {
    ReturnLeasesOfLostWorkers();
    const absl::Duration pause = std::min(give_up - Clock::Monotonic().Now(), kDismissalPoll);
    if (lease_book_->WaitUntilNoneIsLeased(pause)) {
      const absl::Duration left = give_up - Clock::Monotonic().Now();
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(this, &LearnerEndpoint::AllAreTold),
                                  std::min(left, kDismissalPoll))) {
        return true;
      }
    }
    if (Clock::Monotonic().Now() >= give_up) return false;
  }
}

}  // namespace tpo

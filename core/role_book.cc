#include "core/role_book.h"

#include <algorithm>
#include <utility>

namespace tpo {

void RoleBook::Forget(absl::Duration now) {
  std::erase_if(relays_, [now](const auto& relay) {
    return relay.second.streams == 0 && now - relay.second.changed >= kMemory;
  });
  std::erase_if(reports_,
                [now](const auto& report) { return now - report.second.time >= kMemory; });
}

void RoleBook::OnRelayOpened(const std::string& name) {
  const absl::Duration now = clock_->Now();
  const absl::MutexLock lock(&mutex_);
  Forget(now);
  if (relays_.size() >= kMostRelays && !relays_.contains(name)) return;
  Relay& relay = relays_[name];
  if (relay.streams++ == 0) relay.changed = now;
}

void RoleBook::OnRelaySent(const std::string& name, WeightVersion version) {
  const absl::MutexLock lock(&mutex_);
  if (const auto relay = relays_.find(name); relay != relays_.end())
    relay->second.version = version;
}

void RoleBook::OnRelayEnded(const std::string& name) {
  const absl::MutexLock lock(&mutex_);
  const auto relay = relays_.find(name);
  if (relay == relays_.end() || relay->second.streams == 0) return;
  if (--relay->second.streams == 0) relay->second.changed = clock_->Now();
}

void RoleBook::OnVerifiers(const std::string& worker_id, std::vector<VerifierStatus> verifiers) {
  const absl::Duration now = clock_->Now();
  if (verifiers.size() > kMostVerifiers) verifiers.resize(kMostVerifiers);
  const absl::MutexLock lock(&mutex_);
  Forget(now);
  if (reports_.size() >= kMostWorkers && !reports_.contains(worker_id)) return;
  reports_[worker_id] = {.time = now, .verifiers = std::move(verifiers)};
}

RoleDetails RoleBook::Read() const {
  RoleDetails roles;
  std::vector<std::vector<VerifierStatus>> reports;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    for (const auto& [name, relay] : relays_) {
      if (relay.streams == 0 && now - relay.changed >= kMemory) continue;
      roles.relays.push_back({.name = name,
                              .connected = relay.streams > 0,
                              .since = now - relay.changed,
                              .weight_version = relay.version});
    }
    for (const auto& [worker_id, report] : reports_) {
      if (now - report.time < kMemory) reports.push_back(report.verifiers);
    }
  }
  roles.verifiers = SumUp(reports);
  // Those that need attention come before the others when there are too many.
  if (roles.relays.size() > kMostShown) {
    std::stable_partition(roles.relays.begin(), roles.relays.end(),
                          [](const RelayStatus& relay) { return !relay.connected; });
    roles.relays.resize(kMostShown);
  }
  if (roles.verifiers.size() > kMostShown) {
    std::stable_sort(
        roles.verifiers.begin(), roles.verifiers.end(),
        [](const VerifierStatus& a, const VerifierStatus& b) { return a.health > b.health; });
    roles.verifiers.resize(kMostShown);
  }
  return roles;
}

std::vector<VerifierStatus> SumUp(const std::vector<std::vector<VerifierStatus>>& reports) {
  std::map<std::pair<std::string, std::string>, VerifierStatus> sums;
  for (const std::vector<VerifierStatus>& report : reports) {
    for (const VerifierStatus& one : report) {
      VerifierStatus& sum = sums[{one.verifier, one.backend}];
      sum.verifier = one.verifier;
      sum.backend = one.backend;
      sum.health = std::max(sum.health, one.health);
      sum.answered += one.answered;
      sum.failed += one.failed;
    }
  }
  std::vector<VerifierStatus> verifiers;
  verifiers.reserve(sums.size());
  for (auto& [key, sum] : sums) verifiers.push_back(std::move(sum));
  return verifiers;
}

}  // namespace tpo

#include "core/lease_book.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/group_digest.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);
// How often WaitForBatch looks for leases that are over.
constexpr absl::Duration kExpiryPoll = absl::Milliseconds(100);
// While a batch stays short, one more unit may be leased each time this has passed: leases that
// hang mustn't keep the learner waiting.
constexpr absl::Duration kLookaheadInterval = absl::Seconds(1);
// Batches in a row that leave groups behind before less is leased ahead.
constexpr int kSurplusBatches = 4;
// No run gives as many leases between two checkpoints.
constexpr uint64_t kLeaseIdsPerIncarnation = uint64_t{1} << 32;
// Above 2^62, where the first ids end, there is room for two million lives with a salt.
constexpr uint64_t kMaxLeaseId = uint64_t{1} << 63;

int ScoredCount(const Group& group) {
  return static_cast<int>(
      std::count_if(group.verdicts.begin(), group.verdicts.end(),
                    [](const Verdict& verdict) { return verdict.kind == VerdictKind::kScored; }));
}

uint64_t FinishedPrompts(const Ledger& ledger) {
  return ledger.trained + ledger.dropped_stale + ledger.dropped_unverified;
}

// How the ledger and the prompts of the stream have to fit together.
absl::Status CheckSums(const Ledger& ledger, uint64_t unfinished, uint64_t cursor) {
  TPO_RETURN_IF_ERROR(CheckBalance(ledger));
  if (ledger.in_flight > unfinished) {
    return absl::InternalError(absl::StrCat("ledger.in_flight: ", ledger.in_flight,
                                            " are more than the ", unfinished,
                                            " unfinished prompts"));
  }
  if (FinishedPrompts(ledger) + unfinished != cursor) {
    return absl::InternalError(absl::StrCat("cursor: ", cursor, " isn't the sum of ",
                                            FinishedPrompts(ledger), " finished and ", unfinished,
                                            " unfinished prompts"));
  }
  return absl::OkStatus();
}

absl::Status CheckState(const LeaseBook::State& state) {
  if (state.weight_version < 0) return absl::InvalidArgumentError("weight_version: it is negative");
  if (state.next_lease_id == 0 || state.next_lease_id > kMaxLeaseId) {
    return absl::InvalidArgumentError(
        absl::StrCat("next_lease_id: ", state.next_lease_id, " is out of range"));
  }
  uint64_t unfinished = 0;
  uint64_t lowest_allowed = 0;
  for (const std::vector<uint64_t>& unit : state.unfinished_units) {
    if (unit.empty()) return absl::InvalidArgumentError("unfinished_units: a unit is empty");
    for (const uint64_t prompt_id : unit) {
      if (prompt_id < lowest_allowed || prompt_id >= state.cursor) {
        return absl::InvalidArgumentError(absl::StrCat(
            "unfinished_units: prompt ", prompt_id, " isn't in ascending order below the cursor"));
      }
      lowest_allowed = prompt_id + 1;
    }
    unfinished += unit.size();
  }
  return CheckSums(state.ledger, unfinished, state.cursor);
}

}  // namespace

absl::Status CheckBalance(const Ledger& ledger) {
  if (ledger.Balances()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "ledger: ", ledger.leased, " leased aren't the sum of ", ledger.trained, " trained, ",
      ledger.dropped_stale, " dropped_stale, ", ledger.dropped_unverified, " dropped_unverified, ",
      ledger.expired, " expired and ", ledger.in_flight, " in_flight"));
}

LeaseBook::LeaseBook(Options options, PromptSource* source, const Clock* clock)
    : options_(options),
      source_(source),
      clock_(clock),
      first_own_lease_id_(options.first_lease_id),
      next_lease_id_(options.first_lease_id),
      lookahead_(int64_t{options.max_staleness} * options.prompts_per_step) {
  assert(options_.prompts_per_lease > 0 && options_.prompts_per_step > 0);
}

absl::StatusOr<LeaseResult> LeaseBook::LeasePrompts() {
  absl::MutexLock lock(&mutex_);
  ExpireLeasesLocked();
  if (finished_) return NoLease{.finished = true, .retry_after = kRetryAfter};
  if (draining_) return NoLease{.draining = true, .retry_after = kRetryAfter};
  if (!waiting_units_.empty()) return LeaseUnit(units_.find(*waiting_units_.begin()));
  const int64_t size = NextUnitSize();
  if (size == 0) return NoLease{.retry_after = kRetryAfter};
  return LeaseFreshUnit(size);
}

int64_t LeaseBook::Places() const {
  const int64_t per_step = options_.prompts_per_step;
  return std::min((weight_version_ + 1) * per_step + lookahead_, options_.steps * per_step);
}

void LeaseBook::LookFurtherAhead(int64_t units) {
  const int64_t most = int64_t{options_.max_staleness} * options_.prompts_per_step;
  lookahead_ = std::min(lookahead_ + units * options_.prompts_per_lease, most);
}

void LeaseBook::AdaptLookahead() {
  if (options_.exact_staleness || options_.max_staleness == 0) return;
  const absl::Duration now = clock_->Now();
  if (adapted_) {
    if (now - looked_ahead_at_ < kLookaheadInterval) return;
    looked_ahead_at_ = now;
    return LookFurtherAhead(1);
  }
  adapted_ = true;
  looked_ahead_at_ = now;
  const int64_t unit = options_.prompts_per_lease;
  const int64_t surplus = static_cast<int64_t>(ready_.size()) - options_.prompts_per_step;
  if (surplus < 0) {
    LookFurtherAhead((unit - 1 - surplus) / unit);
    batches_with_surplus_ = 0;
    return;
  }
  least_surplus_ = batches_with_surplus_ == 0 ? surplus : std::min(least_surplus_, surplus);
  if (++batches_with_surplus_ < kSurplusBatches) return;
  batches_with_surplus_ = 0;
  // Half of what was never needed, in whole units; a step's worth is what lets workers sample while
  // the learner trains.
  const int64_t units = (least_surplus_ / unit + 1) / 2;
  lookahead_ = std::max<int64_t>(lookahead_ - units * unit, options_.prompts_per_step);
}

size_t LeaseBook::WantedGroups() const {
  int64_t wanted = options_.prompts_per_step;
  if (options_.exact_staleness) {
    wanted = std::max(wanted, Places() - static_cast<int64_t>(ledger_.trained));
  }
  return static_cast<size_t>(wanted);
}

int64_t LeaseBook::FreePlaces() const {
  const int64_t taken = static_cast<int64_t>(ledger_.trained) + unfinished_;
  return std::max<int64_t>(Places() - taken, 0);
}

int64_t LeaseBook::NextUnitSize() const {
  const int64_t per_step = options_.prompts_per_step;
  const int64_t taken = static_cast<int64_t>(ledger_.trained) + unfinished_;
  return std::min<int64_t>({options_.prompts_per_lease, FreePlaces(), per_step - taken % per_step});
}

LeaseBook::Occupancy LeaseBook::occupancy() const {
  absl::MutexLock lock(&mutex_);
  Occupancy now;
  now.ready = ready_.size();
  now.leased = ledger_.in_flight - now.ready;
  if (!draining_) {
    const uint64_t waiting = static_cast<uint64_t>(unfinished_) - ledger_.in_flight;
    now.leasable = waiting + static_cast<uint64_t>(FreePlaces());
  }
  if (!deadlines_.empty()) {
    const absl::Duration start = deadlines_.begin()->first - options_.lease_time_to_live;
    now.oldest_lease_age = clock_->Now() - start;
  }
  return now;
}

absl::StatusOr<Lease> LeaseBook::LeaseUnit(UnitMap::iterator unit) {
  auto& [first_prompt, value] = *unit;
  if (value.prompts.empty()) {
    std::vector<Prompt> prompts;
    for (const uint64_t prompt_id : value.prompt_ids) {
      TPO_ASSIGN_OR_RETURN(prompts.emplace_back(), source_->At(prompt_id));
    }
    value.prompts = std::move(prompts);
  }
  EndLease(unit);
  waiting_units_.erase(first_prompt);
  value.lease_ids.push_back(next_lease_id_++);
  value.deadline = clock_->Now() + options_.lease_time_to_live;
  deadlines_.emplace(value.deadline, first_prompt);
  leased_units_.emplace(value.lease_id(), first_prompt);
  for (PromptState& state : value.states) {
    if (state != PromptState::kWaiting) continue;
    state = PromptState::kLeased;
    ++ledger_.leased;
    ++ledger_.in_flight;
  }
  return Lease{.id = value.lease_id(),
               .prompts = value.prompts,
               .min_weight_version = weight_version_,
               .time_to_live = options_.lease_time_to_live};
}

absl::StatusOr<Lease> LeaseBook::LeaseFreshUnit(int64_t size) {
  Unit fresh;
  for (int64_t i = 0; i < size; ++i) fresh.prompt_ids.push_back(cursor_ + static_cast<uint64_t>(i));
  fresh.states.assign(static_cast<size_t>(size), PromptState::kWaiting);
  fresh.answers.resize(static_cast<size_t>(size));
  const auto unit = units_.emplace(cursor_, std::move(fresh)).first;
  absl::StatusOr<Lease> lease = LeaseUnit(unit);
  if (!lease.ok()) {
    units_.erase(unit);
    return lease;
  }
  unfinished_units_.insert(cursor_);
  cursor_ += static_cast<uint64_t>(size);
  unfinished_ += size;
  return lease;
}

void LeaseBook::ExpireLeases() {
  absl::MutexLock lock(&mutex_);
  ExpireLeasesLocked();
}

void LeaseBook::ExpireLeasesLocked() {
  const absl::Duration now = clock_->Now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto unit = units_.find(deadlines_.begin()->second);
    GiveBack(unit->second, {PromptState::kLeased});
    TidyUnit(unit);
  }
}

bool LeaseBook::GiveBack(Unit& unit, std::initializer_list<PromptState> which) {
  bool any = false;
  for (PromptState& state : unit.states) {
    if (std::find(which.begin(), which.end(), state) == which.end()) continue;
    state = PromptState::kWaiting;
    ++ledger_.expired;
    --ledger_.in_flight;
    any = true;
  }
  return any;
}

LeaseBook::Place LeaseBook::FindPrompt(uint64_t prompt_id) {
  auto unit = units_.upper_bound(prompt_id);
  if (unit == units_.begin()) return {.unit = units_.end()};
  --unit;
  const std::vector<uint64_t>& ids = unit->second.prompt_ids;
  const auto found = std::lower_bound(ids.begin(), ids.end(), prompt_id);
  if (found == ids.end() || *found != prompt_id) return {.unit = units_.end()};
  return {.unit = unit, .index = static_cast<size_t>(found - ids.begin())};
}

SubmitResult LeaseBook::CheckLease(uint64_t lease_id, uint64_t prompt_id, const Place& place) {
  SubmitResult result;
  result.lease_id = lease_id;
  result.prompt_id = prompt_id;
  const auto invalid = [&result](std::string error) {
    result.outcome = SubmitOutcome::kInvalid;
    result.error = std::move(error);
    return result;
  };
  if (lease_id == 0 || lease_id >= next_lease_id_) {
    return invalid(absl::StrCat("lease_id: lease ", lease_id, " was never given"));
  }
  // Leases from before a restart: what was sampled with a version that the restart lost must not
  // come in.
  if (closed_ || lease_id < first_own_lease_id_) {
    result.outcome = SubmitOutcome::kLeaseExpired;
    return result;
  }
  if (prompt_id >= cursor_)
    return invalid(absl::StrCat("prompt_id: prompt ", prompt_id, " was never leased"));
  if (place.unit == units_.end()) {
    result.outcome = SubmitOutcome::kLeaseExpired;
    return result;
  }
  const std::vector<uint64_t>& given = place.unit->second.lease_ids;
  if (!std::binary_search(given.begin(), given.end(), lease_id)) {
    return invalid(absl::StrCat("lease_id: lease ", lease_id, " never held prompt ", prompt_id));
  }
  return result;
}

SubmitResult LeaseBook::Submit(Group group) {
  const uint32_t digest = GroupDigest(group);
  absl::MutexLock lock(&mutex_);
  const Place place = FindPrompt(group.prompt_id);
  SubmitResult result = CheckLease(group.lease_id, group.prompt_id, place);
  if (result.outcome != SubmitOutcome::kUnspecified) return result;
  PromptState& state = place.unit->second.states[place.index];
  Answer& answer = place.unit->second.answers[place.index];
  if (state != PromptState::kWaiting && state != PromptState::kLeased) {
    AnswerAgain(group, digest, answer, state, result);
    return result;
  }
  // A late group that would be dropped must not take the prompt from whoever holds it now, or will.
  const bool late =
      state == PromptState::kWaiting || group.lease_id != place.unit->second.lease_id();
  if (late && DropOutcome(group) != SubmitOutcome::kAccepted) {
    result.outcome = SubmitOutcome::kLeaseExpired;
    return result;
  }
  if (state == PromptState::kWaiting) {
    // It had been counted as expired; taking it counts as leasing it again.
    state = PromptState::kLeased;
    ++ledger_.leased;
    ++ledger_.in_flight;
  }
  result.outcome = DropOutcome(group);
  answer = {.lease_id = group.lease_id, .digest = digest, .outcome = result.outcome};
  Admit(place, std::move(group), result.outcome);
  return result;
}

void LeaseBook::AnswerAgain(const Group& group, uint32_t digest, const Answer& former,
                            PromptState state, SubmitResult& result) {
  if (former.lease_id != group.lease_id) {
    result.outcome = state == PromptState::kDroppedStale        ? SubmitOutcome::kStale
                     : state == PromptState::kDroppedUnverified ? SubmitOutcome::kUnverified
                                                                : SubmitOutcome::kDuplicate;
  } else if (former.digest == digest) {
    result.outcome = former.outcome;
    result.repeated = true;
  } else {
    result.outcome = SubmitOutcome::kInvalid;
    result.error = absl::StrCat("group: it isn't the one that was submitted before for lease ",
                                group.lease_id, ", prompt ", group.prompt_id);
  }
}

SubmitOutcome LeaseBook::DropOutcome(const Group& group) const {
  if (weight_version_ - OldestWeightVersion(group) > options_.max_staleness)
    return SubmitOutcome::kStale;
  if (ScoredCount(group) < options_.min_scored_completions) return SubmitOutcome::kUnverified;
  return SubmitOutcome::kAccepted;
}

void LeaseBook::Admit(const Place& place, Group group, SubmitOutcome outcome) {
  if (outcome != SubmitOutcome::kAccepted) {
    Finish(place, outcome == SubmitOutcome::kStale ? PromptState::kDroppedStale
                                                   : PromptState::kDroppedUnverified);
    return;
  }
  const WeightVersion oldest = OldestWeightVersion(group);
  const uint64_t prompt_id = group.prompt_id;
  ready_.emplace(prompt_id, Ready{.group = std::move(group), .oldest_version = oldest});
  place.unit->second.states[place.index] = PromptState::kReady;
  TidyUnit(place.unit);
}

SubmitResult LeaseBook::Reject(uint64_t lease_id, uint64_t prompt_id, std::string error) {
  absl::MutexLock lock(&mutex_);
  const Place place = FindPrompt(prompt_id);
  const SubmitResult check = CheckLease(lease_id, prompt_id, place);
  // Only the present holder can give a prompt back; to an earlier one it has been taken away
  // already.
  if (check.outcome == SubmitOutcome::kUnspecified && lease_id == place.unit->second.lease_id()) {
    PromptState& state = place.unit->second.states[place.index];
    if (state == PromptState::kLeased) {
      state = PromptState::kWaiting;
      ++ledger_.expired;
      --ledger_.in_flight;
      TidyUnit(place.unit);
    }
  }
  return {.lease_id = lease_id,
          .prompt_id = prompt_id,
          .outcome = SubmitOutcome::kInvalid,
          .error = std::move(error)};
}

void LeaseBook::ReturnLease(uint64_t lease_id) {
  absl::MutexLock lock(&mutex_);
  const auto leased = leased_units_.find(lease_id);
  if (leased == leased_units_.end()) return;
  const auto unit = units_.find(leased->second);
  GiveBack(unit->second, {PromptState::kLeased});
  TidyUnit(unit);
}

void LeaseBook::Finish(const Place& place, PromptState state) {
  switch (state) {
    case PromptState::kTrained:
      ++ledger_.trained;
      break;
    case PromptState::kDroppedStale:
      ++ledger_.dropped_stale;
      break;
    default:
      ++ledger_.dropped_unverified;
      break;
  }
  --ledger_.in_flight;
  --unfinished_;
  place.unit->second.states[place.index] = state;
  TidyUnit(place.unit);
}

void LeaseBook::EndLease(UnitMap::iterator unit) {
  deadlines_.erase({unit->second.deadline, unit->first});
  leased_units_.erase(unit->second.lease_id());
}

void LeaseBook::TidyUnit(UnitMap::iterator unit) {
  auto& [first_prompt, value] = *unit;
  const auto any = [&states = value.states](PromptState state) {
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  const bool leased = any(PromptState::kLeased);
  const bool waiting = any(PromptState::kWaiting);
  if (!leased) EndLease(unit);
  if (waiting) {
    waiting_units_.insert(first_prompt);
  } else {
    waiting_units_.erase(first_prompt);
  }
  if (leased || waiting || any(PromptState::kReady)) return;
  value.prompts = {};
  unfinished_units_.erase(first_prompt);
  finished_units_.push_back(first_prompt);
  if (finished_units_.size() > kRememberedUnits) {
    units_.erase(finished_units_.front());
    finished_units_.pop_front();
  }
}

absl::StatusOr<std::vector<ReadyGroup>> LeaseBook::WaitForBatch(absl::Duration timeout) {
  const absl::Duration give_up = Clock::Monotonic().Now() + timeout;
  absl::MutexLock lock(&mutex_);
  while (true) {
    if (closed_) return absl::CancelledError("the lease book is closed");
    ExpireLeasesLocked();
    DropStale();
    AdaptLookahead();
    const size_t wanted = WantedGroups();
    if (ready_.size() >= wanted) return TakeBatch();
    const absl::Duration left = give_up - Clock::Monotonic().Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat(ready_.size(), " of ", wanted, " groups of the step are ready"));
    }
    const auto changed = [this, wanted]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return closed_ || ready_.size() >= wanted;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&changed), std::min(left, kExpiryPoll));
  }
}

bool LeaseBook::WaitUntilNoneIsLeased(absl::Duration timeout) {
  const absl::Duration give_up = Clock::Monotonic().Now() + timeout;
  const absl::MutexLock lock(&mutex_);
  const auto none_is_leased = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return deadlines_.empty();
  };
  while (true) {
    ExpireLeasesLocked();
    const absl::Duration left = give_up - Clock::Monotonic().Now();
    if (mutex_.AwaitWithTimeout(absl::Condition(&none_is_leased), std::min(left, kExpiryPoll)))
      return true;
    if (left <= absl::ZeroDuration()) return false;
  }
}

void LeaseBook::DropStale() {
  for (auto ready = ready_.begin(); ready != ready_.end();) {
    if (weight_version_ - ready->second.oldest_version <= options_.max_staleness) {
      ++ready;
      continue;
    }
    Finish(FindPrompt(ready->first), PromptState::kDroppedStale);
    ready = ready_.erase(ready);
  }
}

std::vector<ReadyGroup> LeaseBook::TakeBatch() {
  adapted_ = false;
  std::vector<std::pair<WeightVersion, uint64_t>> order;
  for (const auto& [prompt_id, ready] : ready_) order.emplace_back(ready.oldest_version, prompt_id);
  std::sort(order.begin(), order.end());
  order.resize(static_cast<size_t>(options_.prompts_per_step));
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });

  std::vector<ReadyGroup> batch;
  for (const auto& [version, prompt_id] : order) {
    const auto ready = ready_.find(prompt_id);
    const Place place = FindPrompt(prompt_id);
    batch.push_back({.prompt = place.unit->second.prompts[place.index],
                     .group = std::move(ready->second.group)});
    ready_.erase(ready);
    Finish(place, PromptState::kTrained);
  }
  return batch;
}

void LeaseBook::SetWeightVersion(WeightVersion version) {
  absl::MutexLock lock(&mutex_);
  weight_version_ = std::max(weight_version_, version);
}

void LeaseBook::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
}

void LeaseBook::Finish() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  finished_ = true;
}

void LeaseBook::Close() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  closed_ = true;
  for (auto unit = units_.begin(); unit != units_.end(); ++unit) {
    if (GiveBack(unit->second, {PromptState::kLeased, PromptState::kReady})) TidyUnit(unit);
  }
  ready_.clear();
}

Ledger LeaseBook::ledger() const {
  absl::MutexLock lock(&mutex_);
  return ledger_;
}

absl::Status LeaseBook::CheckInvariants() const {
  absl::MutexLock lock(&mutex_);
  TPO_RETURN_IF_ERROR(CheckSums(ledger_, static_cast<uint64_t>(unfinished_), cursor_));
  if (ready_.size() <= ledger_.in_flight) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("ledger.in_flight: ", ledger_.in_flight,
                                          " are fewer than the ", ready_.size(),
                                          " groups that wait to be trained on"));
}

LeaseBook::State LeaseBook::Save() const {
  absl::MutexLock lock(&mutex_);
  State state{.next_lease_id = next_lease_id_,
              .cursor = cursor_,
              .unfinished_units = {},
              .ledger = ledger_,
              .weight_version = weight_version_};
  for (const uint64_t first_prompt : unfinished_units_) {
    const Unit& unit = units_.at(first_prompt);
    std::vector<uint64_t> unfinished;
    for (size_t i = 0; i < unit.states.size(); ++i) {
      const PromptState prompt = unit.states[i];
      if (prompt == PromptState::kWaiting || prompt == PromptState::kLeased ||
          prompt == PromptState::kReady) {
        unfinished.push_back(unit.prompt_ids[i]);
      }
    }
    if (!unfinished.empty()) state.unfinished_units.push_back(std::move(unfinished));
  }
  return state;
}

absl::Status LeaseBook::Restore(const State& state) {
  TPO_RETURN_IF_ERROR(CheckState(state));
  absl::MutexLock lock(&mutex_);
  if (cursor_ != 0 || next_lease_id_ != options_.first_lease_id || weight_version_ != 0) {
    return absl::FailedPreconditionError("the lease book is already in use");
  }
  first_own_lease_id_ =
      options_.first_lease_id > state.next_lease_id
          ? options_.first_lease_id
          : state.next_lease_id + kLeaseIdsPerIncarnation + options_.lease_id_salt;
  next_lease_id_ = first_own_lease_id_;
  cursor_ = state.cursor;
  weight_version_ = state.weight_version;
  ledger_ = state.ledger;
  ledger_.expired += ledger_.in_flight;
  ledger_.in_flight = 0;
  for (const std::vector<uint64_t>& ids : state.unfinished_units) {
    Unit unit;
    unit.prompt_ids = ids;
    unit.states.assign(ids.size(), PromptState::kWaiting);
    unit.answers.resize(ids.size());
    units_.emplace(ids.front(), std::move(unit));
    unfinished_units_.insert(ids.front());
    waiting_units_.insert(ids.front());
    unfinished_ += static_cast<int64_t>(ids.size());
  }
  return absl::OkStatus();
}

}  // namespace tpo

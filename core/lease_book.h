// Who may answer which prompt, what came back, and what is ready to be trained on: the learner's
// book-keeping, free of threads, transport and tensors.
//
// Prompts are numbered along the run's stream and leased in fixed units of `prompts_per_lease` (a
// unit never spans two steps, so the last of a step may be smaller). A unit whose lease expires is
// leased again whole, under a new lease id: the same prompts together, hence the same tensor shapes
// and, with the counter-based sampler, the same completions. Each prompt ends in exactly one of:
// trained, dropped_stale, dropped_unverified, or expired and leased again (core/types.h, Ledger);
// the ledger balances after every call.
//
//   unleased ──Lease──► leased ──Submit──► ready ──TakeBatch──► trained
//      ▲                  │                  │
//      └──── expiry ──────┘                  └─ too old at TakeBatch: dropped_stale
//
// Admission (docs/decisions): with V published versions after the initial one and staleness bound
// S, a prompt may be leased only while leased + ready + trained < (V + 1 + S) * prompts_per_step;
// so what is leased, in flight and queued never exceeds what will be admitted, and S = 0 is the
// synchronous mode. A prompt that is dropped frees its place, so every step trains on exactly
// prompts_per_step groups. Places are counted, not prompt ids: with drops, the ids of a step
// needn't be contiguous.
//
// The bound is what is allowed, not what is aimed at: groups that wait to be trained on only grow
// stale. So the book leases no further ahead than keeps the learner busy (docs/decisions, 14):
// further when a batch was short, less far when more groups than a batch's stayed ready.
//
// With `exact_staleness` a batch is taken only when every prompt that admission allows is ready:
// then all groups are sampled with the version that was newest when their place opened, and each is
// trained on exactly S versions later (step n of the first S: n versions), whatever the workers'
// number and pace.
//
// Leases expire by the clock, which is monotonic, or end early when their worker is known to be
// gone (ReturnLease). Their ids ascend, and none is used twice, in other lives of the run either:
// the newest lease of a unit fences off the older ones.
//
// Memory is bounded: prompts and groups in flight by the admission rule, finished units by
// kRememberedUnits. A group for a unit that is forgotten is answered with kLeaseExpired.
//
// Thread-safe. Only the calls that begin with Wait block; the prompt source is called with the lock
// held.
#ifndef TPO_CORE_LEASE_BOOK_H_
#define TPO_CORE_LEASE_BOOK_H_

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/learner_api.h"
#include "core/prompt_source.h"
#include "core/types.h"

namespace tpo {

// A group that may be trained on, with its prompt.
struct ReadyGroup {
  Prompt prompt;
  Group group;
};

// INTERNAL with the numbers when the ledger's sum doesn't hold.
absl::Status CheckBalance(const Ledger& ledger);

class LeaseBook {
 public:
  struct Options {
    int prompts_per_lease = 0;  // > 0
    int prompts_per_step = 0;   // > 0
    int64_t steps = 0;          // no lease is given beyond this many steps
    int max_staleness = 0;      // S
    bool exact_staleness = false;
    int min_scored_completions = 0;
    absl::Duration lease_time_to_live;
    // No lease gets a lower id. A life of the run that left no checkpoint left no trace of its
    // leases either: with a number that grows from life to life no id is used twice. Not above
    // 2^62.
    uint64_t first_lease_id = 1;
    // For lives in which that number didn't grow (Restore): another one for each life, below 2^40.
    uint64_t lease_id_salt = 0;
  };

  // What a checkpoint needs to go on: taken between steps. In-flight prompts are counted as expired
  // on Restore and leased again.
  struct State {
    uint64_t next_lease_id = 1;
    // Prompts of the stream below this were given to some unit.
    uint64_t cursor = 0;
    // Ids of prompts below the cursor that are neither trained nor dropped, by unit.
    std::vector<std::vector<uint64_t>> unfinished_units;
    Ledger ledger;
    WeightVersion weight_version = 0;
  };

  // `source` and `clock` must outlive the book.
  LeaseBook(Options options, PromptSource* source, const Clock* clock);

  // Finished units whose outcomes are remembered, so that a repeated Submit is answered as before.
  static constexpr size_t kRememberedUnits = 4096;

  // The next unit, an expired one first, for a worker that will sample with at least the current
  // version. Errors are the prompt source's.
  absl::StatusOr<LeaseResult> LeasePrompts();

  // Takes a group in. REQUIRES: it was validated (learner/admission.h). Idempotent: the same group
  // again, under the same lease, gets the same answer and isn't counted again; another group for
  // the same lease and prompt is kInvalid, whatever became of the first. After Close:
  // kLeaseExpired. A group for a prompt whose unit was leased again meanwhile is taken all the same
  // when it is the first and isn't to be dropped; one that would be dropped is answered
  // kLeaseExpired and changes nothing for the present holder. kDuplicate: another lease of the
  // prompt was answered before. kInvalid, too: the lease never held the prompt.
  SubmitResult Submit(Group group);

  // Gives the prompt back, to be leased again at once: its group was malformed.
  SubmitResult Reject(uint64_t lease_id, uint64_t prompt_id, std::string error);

  // Gives back what is outstanding under a lease, to be leased again at once: its worker is gone.
  // Nothing happens when the lease is over. A group that comes all the same is a late one.
  void ReturnLease(uint64_t lease_id);

  // Waits until prompts_per_step admissible groups are ready and takes them, ascending by prompt
  // id; they count as trained from now on. When more are ready, those sampled with the oldest
  // versions go first. Groups staler than S at the current version are dropped on the way.
  // `timeout` is real time, whatever the clock. DEADLINE_EXCEEDED: not enough within `timeout`
  // (nothing is taken). CANCELLED: closed.
  absl::StatusOr<std::vector<ReadyGroup>> WaitForBatch(absl::Duration timeout);

  // Waits until no prompt is under a lease: all were answered, expired or given back. False: not
  // within `timeout`, which is real time.
  bool WaitUntilNoneIsLeased(absl::Duration timeout);

  // A new version is being published: more prompts may be leased. Call it before
  // WeightStore::Publish, so that there is a lease for a worker as soon as it has the weights. A
  // version that isn't above the current one is ignored.
  void SetWeightVersion(WeightVersion version);

  // Expires leases whose time is over; LeasePrompts and WaitForBatch do so too.
  void ExpireLeases();

  // No lease is given any more; LeasePrompts answers `draining`.
  void Drain();
  // The run is over, and what it led to is durable: LeasePrompts answers `finished`. Until then a
  // worker is asked to come again, even when there is nothing left to lease: whoever goes on from
  // the last checkpoint needs it.
  void Finish();
  // Drain, and ends WaitForBatch with CANCELLED. What is in flight counts as expired: no group is
  // taken any more.
  void Close();

  Ledger ledger() const;
  // INTERNAL with the numbers when the ledger doesn't balance, or contradicts the states of the
  // prompts: a defect, after which nothing that is counted can be trusted.
  absl::Status CheckInvariants() const;

  // Where the prompts are at this moment.
  struct Occupancy {
    uint64_t leased = 0;              // under a lease
    uint64_t ready = 0;               // answered, and waiting to be trained on
    uint64_t leasable = 0;            // that could be leased now and that nobody has taken
    absl::Duration oldest_lease_age;  // zero when nothing is leased
  };
  Occupancy occupancy() const;
  State Save() const;
  // Lease ids go on at first_lease_id or, where that isn't above those of the state, at a distance
  // above them that depends on lease_id_salt, so that a lease given after the checkpoint and lost
  // with the crash, be it by one life or by several, can't be taken for a new one.
  // FAILED_PRECONDITION unless the book is fresh; INVALID_ARGUMENT when a field of the state is
  // wrong, INTERNAL with the numbers when its sums are.
  absl::Status Restore(const State& state);

 private:
  enum class PromptState { kWaiting, kLeased, kReady, kTrained, kDroppedStale, kDroppedUnverified };

  // What was said to the group that settled a prompt, for when it is submitted again.
  struct Answer {
    uint64_t lease_id = 0;  // 0: there was none yet
    uint32_t digest = 0;    // of the group
    SubmitOutcome outcome = SubmitOutcome::kUnspecified;
  };
  // Prompts that are leased together.
  struct Unit {
    std::vector<uint64_t> prompt_ids;  // ascending
    std::vector<PromptState> states;   // of each prompt
    std::vector<Answer> answers;       // to each prompt's group
    std::vector<Prompt> prompts;       // empty until first leased, and again once finished
    std::vector<uint64_t> lease_ids;   // all that this book gave, ascending
    absl::Duration deadline;           // of the newest lease

    // The newest; 0: this book gave none.
    uint64_t lease_id() const { return lease_ids.empty() ? 0 : lease_ids.back(); }
  };
  // Units by their first prompt; their ranges of prompts don't overlap.
  using UnitMap = std::map<uint64_t, Unit>;

  struct Ready {
    Group group;
    WeightVersion oldest_version = 0;
  };

  // Adapts the lookahead to what is ready when the learner comes for a batch, and while it waits.
  void AdaptLookahead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For `units` more units, up to what S allows.
  void LookFurtherAhead(int64_t units) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Prompts that may be leased, from the run's start on.
  int64_t Places() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Groups that must be ready for a batch to be taken.
  size_t WantedGroups() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Prompts that may be leased beyond those that are trained, leased or ready.
  int64_t FreePlaces() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Size of the next fresh unit; 0: admission allows none now.
  int64_t NextUnitSize() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Lease> LeaseUnit(UnitMap::iterator unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Lease> LeaseFreshUnit(int64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireLeasesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Turns the prompts of a unit that are in one of these states into expired ones; whether there
  // were any.
  bool GiveBack(Unit& unit, std::initializer_list<PromptState> which)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Where a prompt is; unit is end() when no remembered unit holds it.
  struct Place {
    UnitMap::iterator unit;
    size_t index = 0;
  };
  Place FindPrompt(uint64_t prompt_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is wrong with a (lease, prompt) pair, as an answer; kUnspecified when nothing is.
  SubmitResult CheckLease(uint64_t lease_id, uint64_t prompt_id, const Place& place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The answer to a group for a prompt that is settled.
  static void AnswerAgain(const Group& group, uint32_t digest, const Answer& former,
                          PromptState state, SubmitResult& result);
  // kAccepted, or why a group would be dropped.
  SubmitOutcome DropOutcome(const Group& group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Enters the group of a leased prompt with its outcome.
  void Admit(const Place& place, Group group, SubmitOutcome outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a leased or ready prompt: trained or dropped.
  void Finish(const Place& place, PromptState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing is outstanding under a unit's newest lease, if it has one.
  void EndLease(UnitMap::iterator unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Brings the indices below up to date with the states of a unit's prompts.
  void TidyUnit(UnitMap::iterator unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropStale() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<ReadyGroup> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  PromptSource* const source_;
  const Clock* const clock_;

  mutable absl::Mutex mutex_;
  UnitMap units_ ABSL_GUARDED_BY(mutex_);
  // Units to be leased (again), by first prompt.
  std::set<uint64_t> waiting_units_ ABSL_GUARDED_BY(mutex_);
  // (deadline, first prompt) of units under a lease with a prompt outstanding.
  std::set<std::pair<absl::Duration, uint64_t>> deadlines_ ABSL_GUARDED_BY(mutex_);
  // First prompts of those units, by lease.
  std::map<uint64_t, uint64_t> leased_units_ ABSL_GUARDED_BY(mutex_);
  // Units with a prompt that is neither trained nor dropped, by first prompt: what Save writes.
  std::set<uint64_t> unfinished_units_ ABSL_GUARDED_BY(mutex_);
  // Finished units, oldest first.
  std::deque<uint64_t> finished_units_ ABSL_GUARDED_BY(mutex_);
  // By prompt.
  std::map<uint64_t, Ready> ready_ ABSL_GUARDED_BY(mutex_);
  Ledger ledger_ ABSL_GUARDED_BY(mutex_);
  // Prompts that are neither trained nor dropped: waiting, leased or ready.
  int64_t unfinished_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t cursor_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t first_own_lease_id_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_lease_id_ ABSL_GUARDED_BY(mutex_);
  WeightVersion weight_version_ ABSL_GUARDED_BY(mutex_) = 0;
  // Prompts that may be leased beyond those of the step that comes next, at most S steps' worth.
  int64_t lookahead_ ABSL_GUARDED_BY(mutex_);
  bool adapted_ ABSL_GUARDED_BY(mutex_) = true;  // to the batch that is waited for
  absl::Duration looked_ahead_at_ ABSL_GUARDED_BY(mutex_);
  // Over the last batches that weren't short: how many, and the fewest groups that stayed ready.
  int batches_with_surplus_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t least_surplus_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tpo

#endif  // TPO_CORE_LEASE_BOOK_H_

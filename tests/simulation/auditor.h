// Sees everything that happens in a simulated run and says which rule was broken.
//
// What it knows is the course of the run: which prompts each step was trained on, and the weights
// of each version. A learner that comes back from a checkpoint takes that course back to the
// checkpoint's step; what was done after it never happened.
#ifndef TPO_TESTS_SIMULATION_AUDITOR_H_
#define TPO_TESTS_SIMULATION_AUDITOR_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/lease_book.h"
#include "core/weight_snapshot.h"
#include "tests/simulation/event_loop.h"
#include "tests/simulation/scenario.h"

namespace tpo::simulation {

// What a group is that a worker submits.
enum class Honesty {
  kHonest,
  kMalformed,
  kAltered,  // another one than the worker submitted before for the same lease and prompt
};

// How often what has been seen, to know that the scenarios reach what they are meant to reach.
using Sightings = std::map<std::string, uint64_t>;

class Auditor {
 public:
  Auditor(const Scenario& scenario, EventLoop* loop) : scenario_(scenario), loop_(loop) {}

  // The first rule that was broken, with details; empty: none.
  const std::string& failure() const { return failure_; }
  const Sightings& sightings() const { return sightings_; }
  void Saw(const std::string& what, uint64_t times = 1) { sightings_[what] += times; }

  template <typename... Parts>
  bool Require(bool holds, const Parts&... rule) {
    if (!holds && failure_.empty()) Fail(absl::StrCat(rule...));
    return holds;
  }

  // The learner began its life number `life`, from scratch or at a checkpoint's step.
  void OnFreshStart(uint64_t life);
  void OnRestore(uint64_t life, int64_t step, uint64_t weights, const LeaseBook::State& state);
  // A checkpoint of this step was reported as durable.
  void OnCheckpoint(int64_t step);
  void OnPublish(WeightVersion version, uint64_t weights);
  void OnLease(const Lease& lease);
  // `same_life`: the group's lease is of this life of the learner. `before` and `after`: the
  // ledger.
  void OnSubmit(const Group& group, const SubmitResult& result, Honesty honesty, bool same_life,
                const Ledger& before, const Ledger& after);
  void OnBatch(int64_t step, const std::vector<ReadyGroup>& batch);
  void OnFinish(uint64_t weights, const Ledger& ledger);
  // After every event while a learner lives.
  void Inspect(const LeaseBook& book, WeightVersion version);

  // A worker holds these weights from now on; `version_before` is what it held since it registered.
  void OnReceive(const WeightSnapshot& snapshot, WeightVersion version_before);

 private:
  enum class Fate { kOpen, kTrained, kStale, kUnverified };

  void Fail(std::string failure);
  Fate& fate(uint64_t prompt);
  void CheckAnswer(const Group& group, const SubmitResult& result, Honesty honesty, bool same_life);
  bool IsNewestLease(const Group& group) const;
  void CheckWellFormed(const Group& group);
  void OnAccepted(const Group& group, const SubmitResult& result, bool same_life);
  void CheckContent(const Group& group, int64_t step);
  void CheckPrompts(const LeaseBook::State& state);
  void ForgetAfter(int64_t step);

  const Scenario& scenario_;
  EventLoop* const loop_;
  std::string failure_;
  Sightings sightings_;

  std::vector<std::vector<uint64_t>> batches_;  // prompts of each step of the course
  std::vector<uint64_t> weights_;               // of each version of the course
  std::vector<Fate> fates_;                     // of each prompt in the course
  std::map<uint64_t, WeightVersion> accepted_;  // in this life: oldest version of the group
  std::set<uint64_t> ever_accepted_;
  std::set<uint64_t> ever_dropped_;
  std::set<std::pair<WeightVersion, uint64_t>> ever_published_;
  uint64_t newest_lease_ = 0;             // of this life
  std::set<uint64_t> ever_leased_;        // ids of leases
  std::map<uint64_t, uint64_t> holders_;  // newest lease of each prompt
  int64_t durable_step_ = -1;
  bool restarted_ = false;
  Ledger last_ledger_;
  WeightVersion last_version_ = -1;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_AUDITOR_H_

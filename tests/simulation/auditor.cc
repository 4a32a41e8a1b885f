#include "tests/simulation/auditor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "tests/simulation/model.h"

namespace tpo::simulation {
namespace {

std::string Show(const Ledger& ledger) {
  return absl::StrCat("leased ", ledger.leased, ", trained ", ledger.trained, ", dropped_stale ",
                      ledger.dropped_stale, ", dropped_unverified ", ledger.dropped_unverified,
                      ", expired ", ledger.expired, ", in_flight ", ledger.in_flight);
}

// By itself, not by the code under test.
WeightVersion OldestVersion(const Group& group) {
  WeightVersion oldest = std::numeric_limits<WeightVersion>::max();
  for (const Completion& completion : group.completions) {
    for (const WeightVersionSpan& span : completion.weight_versions) {
      oldest = std::min(oldest, span.weight_version);
    }
  }
  return oldest;
}

int Scores(const Group& group) {
  return static_cast<int>(
      std::count_if(group.verdicts.begin(), group.verdicts.end(),
                    [](const Verdict& verdict) { return verdict.kind == VerdictKind::kScored; }));
}

}  // namespace

void Auditor::Fail(std::string failure) {
  failure_ = std::move(failure);
  loop_->Say("BROKEN: ", failure_);
}

Auditor::Fate& Auditor::fate(uint64_t prompt) {
  if (prompt >= fates_.size()) fates_.resize(prompt + 1, Fate::kOpen);
  return fates_[prompt];
}

void Auditor::OnFreshStart(uint64_t life) {
  restarted_ = life > 1;
  Require(durable_step_ < 0, "a checkpoint is never lost: life ", life,
          " began from scratch after one of step ", durable_step_);
  ForgetAfter(0);
  weights_.clear();
  fates_.clear();
}

void Auditor::ForgetAfter(int64_t step) {
  batches_.resize(static_cast<size_t>(step));
  accepted_.clear();
  newest_lease_ = 0;
  last_version_ = -1;
  last_ledger_ = Ledger();
}

void Auditor::OnRestore(uint64_t life, int64_t step, uint64_t weights,
                        const LeaseBook::State& state) {
  Saw("restores");
  restarted_ = true;
  Require(step >= durable_step_, "a checkpoint is never lost: life ", life, " began at step ", step,
          " after one of step ", durable_step_, " was durable");
  if (!Require(static_cast<size_t>(step) < weights_.size() &&
                   static_cast<size_t>(step) <= batches_.size(),
               "a checkpoint is of a step that was done: ", step)) {
    return;
  }
  Require(weights_[step] == weights, "a checkpoint holds the weights of its step, ", step);
  ForgetAfter(step);
  weights_.resize(static_cast<size_t>(step));
  durable_step_ = step;

  std::vector<Fate> fates(state.cursor, Fate::kOpen);
  std::vector<bool> unfinished(state.cursor, false);
  for (const auto& unit : state.unfinished_units) {
    for (const uint64_t prompt : unit) unfinished[prompt] = true;
  }
  for (const auto& batch : batches_) {
    for (const uint64_t prompt : batch) {
      if (!Require(prompt < state.cursor && !unfinished[prompt],
                   "a checkpoint knows what was trained on: prompt ", prompt)) {
        return;
      }
      fates[prompt] = Fate::kTrained;
    }
  }
  for (uint64_t prompt = 0; prompt < state.cursor; ++prompt) {
    if (unfinished[prompt] || fates[prompt] == Fate::kTrained) continue;
    Require(ever_dropped_.count(prompt) + ever_accepted_.count(prompt) > 0,
            "a restart loses no prompt: ", prompt,
            " is neither trained on nor dropped nor to be leased again");
    const Fate before = fate(prompt);
    fates[prompt] = before == Fate::kUnverified ? Fate::kUnverified : Fate::kStale;
  }
  fates_ = std::move(fates);
}

void Auditor::OnCheckpoint(int64_t step) {
  Saw("checkpoints");
  durable_step_ = std::max(durable_step_, step);
}

void Auditor::OnPublish(WeightVersion version, uint64_t weights) {
  if (!Require(static_cast<size_t>(version) == weights_.size(),
               "versions follow one another: ", version, " after ", weights_.size())) {
    return;
  }
  weights_.push_back(weights);
  ever_published_.emplace(version, weights);
}

void Auditor::OnLease(const Lease& lease) {
  Require(lease.id > newest_lease_, "lease ids ascend: ", lease.id, " after ", newest_lease_);
  newest_lease_ = lease.id;
  Require(ever_leased_.insert(lease.id).second, "no lease id is used twice in a run: ", lease.id);
  for (const Prompt& prompt : lease.prompts) holders_[prompt.id] = lease.id;
  Require(!lease.prompts.empty(), "a lease holds prompts");
  bool open = false;
  for (const Prompt& prompt : lease.prompts) open = open || fate(prompt.id) == Fate::kOpen;
  Require(open, "what is leased is to be answered: lease ", lease.id, " holds nothing of the kind");
}

void Auditor::OnSubmit(const Group& group, const SubmitResult& result, Honesty honesty,
                       bool same_life, const Ledger& before, const Ledger& after) {
  Require(result.prompt_id == group.prompt_id && result.lease_id == group.lease_id,
          "a group is answered under its own name");
  if (result.repeated) Saw("repeats");
  if (result.outcome == SubmitOutcome::kInvalid && after.expired > before.expired) {
    Saw("given back at once");
  }
  const bool taken_in = result.outcome == SubmitOutcome::kAccepted && !result.repeated;
  Require(taken_in || IsNewestLease(group) || before == after,
          "a late group that isn't taken in changes nothing: prompt ", group.prompt_id,
          " of lease ", group.lease_id);
  Require(honesty != Honesty::kAltered ||
              (result.outcome != SubmitOutcome::kAccepted && !result.repeated),
          "another group for the same lease and prompt is refused: prompt ", group.prompt_id);
  CheckAnswer(group, result, honesty, same_life);
}

bool Auditor::IsNewestLease(const Group& group) const {
  const auto holder = holders_.find(group.prompt_id);
  return holder != holders_.end() && holder->second == group.lease_id;
}

void Auditor::CheckAnswer(const Group& group, const SubmitResult& result, Honesty honesty,
                          bool same_life) {
  Fate& fate = this->fate(group.prompt_id);
  const uint64_t prompt = group.prompt_id;
  switch (result.outcome) {
    case SubmitOutcome::kAccepted:
      OnAccepted(group, result, same_life);
      break;
    case SubmitOutcome::kDuplicate:
      Saw("duplicates");
      Require(accepted_.count(prompt) > 0, "only what was taken in has a duplicate: prompt ",
              prompt);
      break;
    case SubmitOutcome::kStale:
    case SubmitOutcome::kUnverified: {
      const bool stale = result.outcome == SubmitOutcome::kStale;
      Saw(stale ? "dropped stale" : "dropped unverified");
      const Fate told = stale ? Fate::kStale : Fate::kUnverified;
      Require(fate == Fate::kOpen || fate == told, "a prompt has one end: prompt ", prompt);
      Require(accepted_.count(prompt) == 0 || fate == told,
              "what was taken in isn't dropped by a later group: prompt ", prompt);
      fate = told;
      ever_dropped_.insert(prompt);
      break;
    }
    case SubmitOutcome::kLeaseExpired:
      Saw(same_life ? "lease expired" : "lease of a former life");
      break;
    case SubmitOutcome::kInvalid:
      Saw(honesty == Honesty::kAltered ? "altered groups refused" : "invalid");
      // What a former life published or leased may not be there in this one, and its lease ids may
      // be higher when the wall clock was set back.
      Require(honesty != Honesty::kHonest ||
                  (!same_life && (result.error.find("isn't published") != std::string::npos ||
                                  result.error.find("was never given") != std::string::npos)),
              "an honest group is never refused: prompt ", prompt, ", lease ", group.lease_id, ": ",
              result.error);
      break;
    case SubmitOutcome::kUnspecified:
      Require(false, "a group gets an answer: prompt ", prompt);
  }
}

void Auditor::OnAccepted(const Group& group, const SubmitResult& result, bool same_life) {
  const uint64_t prompt = group.prompt_id;
  Require(same_life, "a lease of a former life of the learner is refused: lease ", group.lease_id,
          ", prompt ", prompt);
  if (result.repeated) {
    Require(accepted_.count(prompt) > 0, "only what was taken in is a repetition: prompt ", prompt);
    return;
  }
  Saw("accepted");
  CheckWellFormed(group);
  Require(fate(prompt) == Fate::kOpen && accepted_.count(prompt) == 0,
          "a prompt is answered once: prompt ", prompt);
  Require(last_version_ - OldestVersion(group) <= scenario_.leases.max_staleness,
          "nothing staler than S is taken in: prompt ", prompt);
  Require(Scores(group) >= scenario_.leases.min_scored_completions,
          "nothing without enough scores is taken in: prompt ", prompt);
  accepted_[prompt] = OldestVersion(group);
  ever_accepted_.insert(prompt);
}

void Auditor::CheckWellFormed(const Group& group) {
  const auto size = static_cast<size_t>(scenario_.sampling.completions_per_prompt);
  bool sound = group.completions.size() == size && group.verdicts.size() == size;
  for (const Completion& completion : group.completions) {
    sound = sound && completion.behavior_log_probs.size() == completion.tokens.size();
    for (const float log_prob : completion.behavior_log_probs) sound = sound && log_prob <= 0.0F;
    for (const TokenId token : completion.tokens) {
      sound = sound && token >= 0 && token < scenario_.vocab_size;
    }
  }
  for (const Verdict& verdict : group.verdicts) sound = sound && std::isfinite(verdict.score);
  Require(sound, "nothing malformed is taken in: prompt ", group.prompt_id);
}

void Auditor::OnBatch(int64_t step, const std::vector<ReadyGroup>& batch) {
  const LeaseBook::Options& options = scenario_.leases;
  Require(batch.size() == static_cast<size_t>(options.prompts_per_step),
          "a step is trained on B groups, not on ", batch.size());
  Require(static_cast<size_t>(step) == batches_.size(), "steps follow one another: ", step);
  std::vector<uint64_t>& ids = batches_.emplace_back();
  for (const ReadyGroup& ready : batch) {
    const uint64_t prompt = ready.group.prompt_id;
    Require(ready.prompt.id == prompt, "a group comes with its own prompt: ", prompt);
    Require(ids.empty() || ids.back() < prompt, "a batch ascends by prompt: ", prompt);
    Require(fate(prompt) == Fate::kOpen, "no group is trained on twice: prompt ", prompt);
    Require(accepted_.count(prompt) > 0, "only what was taken in is trained on: prompt ", prompt);
    fate(prompt) = Fate::kTrained;
    ids.push_back(prompt);
    CheckContent(ready.group, step);
  }
  Saw("steps");
}

void Auditor::CheckContent(const Group& group, int64_t step) {
  const WeightVersion oldest = OldestVersion(group);
  Require(step - oldest <= scenario_.leases.max_staleness, "staleness is at most S: step ", step,
          " on prompt ", group.prompt_id, " of version ", oldest);
  if (step > oldest) Saw("stale groups trained on");
  if (scenario_.leases.exact_staleness && !restarted_) {
    Saw("exactly stale groups");
    Require(step - oldest == std::min<int64_t>(step, scenario_.leases.max_staleness),
            "staleness is exact: step ", step, " on prompt ", group.prompt_id, " of version ",
            oldest);
  }
  for (size_t k = 0; k < group.completions.size(); ++k) {
    const Completion& completion = group.completions[k];
    if (completion.weight_versions.size() > 1) Saw("completions of two versions");
    for (size_t t = 0; t < completion.tokens.size(); ++t) {
      WeightVersion version = 0;
      for (const WeightVersionSpan& span : completion.weight_versions) {
        if (span.first_token <= t) version = span.weight_version;
      }
      if (!Require(version >= 0 && version <= step, "no version is of the future: ", version)) {
        return;
      }
      Require(completion.tokens[t] == SampleToken(scenario_, weights_[version], group.prompt_id,
                                                  static_cast<int>(k), static_cast<int>(t)),
              "a token comes from the version that it says: prompt ", group.prompt_id, " token ", t,
              " of version ", version);
    }
  }
}

void Auditor::OnFinish(uint64_t weights, const Ledger& ledger) {
  const LeaseBook::Options& options = scenario_.leases;
  Require(ledger.in_flight == 0, "nothing is in flight at the end: ", Show(ledger));
  Require(ledger.Balances(), "the ledger balances at the end: ", Show(ledger));
  Require(ledger.trained == static_cast<uint64_t>(options.steps * options.prompts_per_step),
          "all steps were trained: ", Show(ledger));
  Require(batches_.size() == static_cast<size_t>(options.steps), "all steps were done");
  if (!scenario_.determined(restarted_)) return;
  Saw("determined runs");
  Require(weights == WeightsOfTheFlawlessRun(scenario_),
          "a reproducible run ends with the weights of one in which nothing went wrong");
}

void Auditor::Inspect(const LeaseBook& book, WeightVersion version) {
  const Ledger ledger = book.ledger();
  if (ledger == last_ledger_ && version == last_version_) return;
  Require(version >= last_version_, "versions never go back: ", version, " after ", last_version_);
  last_ledger_ = ledger;
  last_version_ = version;
  const absl::Status sound = book.CheckInvariants();
  Require(sound.ok() && ledger.Balances(), "the ledger balances: ", sound.ToString());
  CheckPrompts(book.Save());
}

void Auditor::CheckPrompts(const LeaseBook::State& state) {
  const Ledger& ledger = state.ledger;
  const LeaseBook::Options& options = scenario_.leases;
  if (state.cursor > fates_.size()) fates_.resize(state.cursor, Fate::kOpen);
  std::vector<bool> unfinished(fates_.size(), false);
  int64_t open = 0;
  for (const auto& unit : state.unfinished_units) {
    for (const uint64_t prompt : unit) {
      Require(!unfinished[prompt], "a prompt is in one unit: ", prompt);
      Require(fate(prompt) == Fate::kOpen, "a prompt that has ended stays so: ", prompt);
      unfinished[prompt] = true;
      ++open;
    }
  }
  uint64_t trained = 0;
  uint64_t stale = 0;
  uint64_t unverified = 0;
  for (uint64_t prompt = 0; prompt < state.cursor; ++prompt) {
    if (unfinished[prompt]) continue;
    if (fate(prompt) == Fate::kOpen) {
      // Nobody was told: it can only have grown too stale while it waited for its step.
      const auto accepted = accepted_.find(prompt);
      Require(
          accepted != accepted_.end() && last_version_ - accepted->second > options.max_staleness,
          "no prompt is lost: ", prompt);
      Saw("dropped on consumption");
      fate(prompt) = Fate::kStale;
      ever_dropped_.insert(prompt);
    }
    trained += fate(prompt) == Fate::kTrained ? 1 : 0;
    stale += fate(prompt) == Fate::kStale ? 1 : 0;
    unverified += fate(prompt) == Fate::kUnverified ? 1 : 0;
  }
  Require(ledger.trained == trained && ledger.dropped_unverified == unverified &&
              ledger.dropped_stale == stale,
          "the ledger says what happened: ", Show(ledger), "; it was trained ", trained,
          ", dropped_stale ", stale, ", dropped_unverified ", unverified);
  Require(ledger.in_flight <= static_cast<uint64_t>(open), "what is in flight isn't finished");
  const int64_t places =
      std::min<int64_t>(last_version_ + 1 + options.max_staleness, options.steps) *
      options.prompts_per_step;
  Require(static_cast<int64_t>(trained) + open <= places,
          "no more is leased, in flight and ready than will be admitted: ", trained, " trained, ",
          open, " unfinished, places for ", places);
}

void Auditor::OnReceive(const WeightSnapshot& snapshot, WeightVersion version_before) {
  const std::optional<uint64_t> weights = UnbundleWeights(snapshot.weights);
  Require(weights.has_value(), "versions never mix: ", snapshot.version);
  Require(!weights.has_value() || ever_published_.count({snapshot.version, *weights}) > 0,
          "a worker serves what was published: ", snapshot.version);
  Require(snapshot.version > version_before,
          "a worker's versions never go back: ", snapshot.version, " after ", version_before);
  Saw("weights received");
}

}  // namespace tpo::simulation

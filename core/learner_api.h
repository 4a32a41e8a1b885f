// The learner as rollout workers see it: the one narrow interface between the two roles.
//
// Implementations: learner/learner_endpoint.h (in memory, the real thing) and
// services/grpc/grpc_learner_client.h (the same over a channel; `tpo train` uses it over an
// in-process channel). One contract suite runs on both (tests/core/learner_api_contract.h).
//
// Thread-safe: one object serves all threads of a worker.
#ifndef TPO_CORE_LEARNER_API_H_
#define TPO_CORE_LEARNER_API_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/run_spec.h"
#include "core/types.h"
#include "core/weight_snapshot.h"

namespace tpo {

// A language model for workers; its weights come with the versions.
struct LanguageModelInfo {
  std::string config_json;     // of the Hugging Face directory
  std::string tokenizer_json;  // likewise; empty: completions have no text
  std::vector<TokenId> end_tokens;
  int vocab_size = 0;  // the config's
  bool bfloat16 = false;
  // With adapters a version is the adapters alone: the worker reads the weights that they adapt
  // from the directory, which has to be the learner's, by its checksum.
  std::optional<LowRankAdapterSpec> lora;
  std::string path;
  uint32_t checksum = 0;
  bool composed = false;  // of LibTorch's operators on the CPU too

  friend bool operator==(const LanguageModelInfo&, const LanguageModelInfo&) = default;
};

// How long workers let the verifier that they run themselves judge, and external ones by default
// (verifiers[].deadline_seconds), as a part of a lease's time: a slow verifier costs verdicts, not
// leases.
inline constexpr double kVerificationInLeases = 0.5;

// What a worker needs to work.
struct RunInfo {
  std::string worker_id;
  std::string run_id;
  uint64_t seed = 0;
  TransformerSpec transformer;
  // Set: the policy is a language model, and `transformer` is empty.
  std::shared_ptr<const LanguageModelInfo> language_model;
  SamplingSpec sampling;
  bool want_token_rewards = false;
  std::vector<VerifierSpec> verifiers;
  VerificationSpec verification;
  std::string own_verifier;  // as in RunSpec

  int vocab_size() const {
    return language_model != nullptr ? language_model->vocab_size : transformer.vocab_size;
  }

  friend bool operator==(const RunInfo& a, const RunInfo& b) {
    const bool same_model = a.language_model == nullptr || b.language_model == nullptr
                                ? a.language_model == b.language_model
                                : *a.language_model == *b.language_model;
    return same_model && a.worker_id == b.worker_id && a.run_id == b.run_id && a.seed == b.seed &&
           a.transformer == b.transformer && a.sampling == b.sampling &&
           a.want_token_rewards == b.want_token_rewards && a.verifiers == b.verifiers &&
           a.verification == b.verification && a.own_verifier == b.own_verifier;
  }
};

// Why there is no lease now.
struct NoLease {
  // True: the run is over and no lease will ever come. False: ask again after `retry_after`, or
  // when a new weight version arrives.
  bool finished = false;
  // The learner is about to end before the run is over, and may come back: there is no lease until
  // then. Not with `finished`.
  bool draining = false;
  absl::Duration retry_after;
};
using LeaseResult = std::variant<Lease, NoLease>;

enum class SubmitOutcome {
  kUnspecified = 0,
  kAccepted = 1,
  kDuplicate = 2,  // another lease of the prompt was answered before
  kLeaseExpired = 3,
  kStale = 4,
  kUnverified = 5,
  kInvalid = 6,
};

// The answer to one submitted group.
struct SubmitResult {
  uint64_t lease_id = 0;
  uint64_t prompt_id = 0;
  SubmitOutcome outcome = SubmitOutcome::kUnspecified;
  std::string error;      // with kInvalid: the field at fault
  bool repeated = false;  // the same answer was given before; not told over the wire
};

// How a worker spent its time since it began, summed over the leases that it answers side by side.
struct WorkerTimes {
  absl::Duration waiting_for_lease;
  absl::Duration waiting_for_weights;
  absl::Duration sampling;
  absl::Duration waiting_for_verdicts;
  absl::Duration submitting;

  friend bool operator==(const WorkerTimes&, const WorkerTimes&) = default;
};

class LearnerApi {
 public:
  virtual ~LearnerApi() = default;

  // Announces a worker. Call again after NOT_FOUND or a lost connection.
  virtual absl::StatusOr<RunInfo> Register(const std::string& worker_name) = 0;

  // Takes prompts on lease; never blocks for prompts. NOT_FOUND: the learner doesn't know
  // `worker_id`.
  virtual absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) = 0;

  // Says how a worker spends its time, for the statistics; arrives with its next LeasePrompts at
  // the latest, or not at all.
  virtual void ReportTimes(const std::string& /*worker_id*/, const WorkerTimes& /*times*/) {}

  // Submits groups; one result per group, in order. Idempotent by (lease, prompt): the same group
  // again gets the same answer, another one kInvalid. On an error it is unknown which groups
  // arrived: submit all of them again.
  virtual absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(
      const std::string& worker_id, const std::vector<Group>& groups) = 0;

  // Returns the newest weights, waiting up to `timeout` for a version above `newer_than` (-1: any).
  // All bytes of the returned snapshot have been checked. DEADLINE_EXCEEDED: none came; CANCELLED:
  // closed.
  virtual absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) = 0;

  // Says that the worker leaves: its leases are given back at once, and the end of the run doesn't
  // wait for it. Its id is unknown from then on; OK for an unknown one. A learner that isn't told
  // finds out in its time, so failing is no harm.
  virtual absl::Status Deregister(const std::string& /*worker_id*/) { return absl::OkStatus(); }

  // Ends calls in progress, and those to come, with CANCELLED, where they may take long.
  // Idempotent.
  virtual void Close() {}
};

}  // namespace tpo

#endif  // TPO_CORE_LEARNER_API_H_

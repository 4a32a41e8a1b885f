// The nouns of the system as plain data, free of any transport. The wire has the same nouns
// (proto/tpo/v1/types.proto); services/grpc/convert.h maps one onto the other.
//
// Everything here is a value: copy it, move it, no thread rules. Shapes in comments: K completions
// per group, T tokens per completion, C candidates per position (token-level objectives).
#ifndef TPO_CORE_TYPES_H_
#define TPO_CORE_TYPES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace tpo {

using TokenId = int32_t;

// Monotonic number of a published policy; 0 is the initial one.
using WeightVersion = int64_t;

// One task instance.
struct Prompt {
  // Position in the run's prompt stream: unique in a run and part of the sampling key.
  uint64_t id = 0;
  // By which a verifier chooses how to score, e.g. "sequence/reverse_copy/terminal".
  std::string task;
  std::string text;
  std::vector<TokenId> tokens;
  std::string reference_answer;
  std::vector<TokenId> reference_tokens;
  std::map<std::string, std::string> metadata;

  friend bool operator==(const Prompt&, const Prompt&) = default;
};

enum class FinishReason { kUnspecified = 0, kStop = 1, kLength = 2 };

// From `first_token` on, tokens were sampled with `weight_version`.
struct WeightVersionSpan {
  WeightVersion weight_version = 0;
  uint32_t first_token = 0;

  friend bool operator==(const WeightVersionSpan&, const WeightVersionSpan&) = default;
};

// One sampled answer.
struct Completion {
  std::vector<TokenId> tokens;            // [T]
  std::vector<float> behavior_log_probs;  // [T], at the sampling temperature
  FinishReason finish_reason = FinishReason::kUnspecified;
  // Ascending by first_token, the first at 0; at least one.
  std::vector<WeightVersionSpan> weight_versions;
  std::string text;
  // Token-level objectives only; candidate 0 of a row is the token that continues the completion.
  std::vector<TokenId> candidate_tokens;   // [T, C]
  std::vector<float> candidate_log_probs;  // [T, C]

  friend bool operator==(const Completion&, const Completion&) = default;
};

enum class VerdictKind {
  kUnspecified = 0,
  kScored = 1,
  kAbstained = 2,
  kTimedOut = 3,
  kFailed = 4
};

// A verifier's answer for one completion. Only kScored carries numbers: a failure is never a score
// of 0.
struct Verdict {
  VerdictKind kind = VerdictKind::kUnspecified;
  double score = 0.0;
  std::map<std::string, double> components;
  std::string reason;
  // [T], or [T, C] where the completion carries candidates; empty unless asked for.
  std::vector<float> token_rewards;
  // What judging cost, in a unit of the verifier's own; for accounting, never trained on.
  double cost = 0.0;
  // How the verdict came about; for people.
  std::string explanation;

  static Verdict Scored(double score) {
    Verdict verdict;
    verdict.kind = VerdictKind::kScored;
    verdict.score = score;
    return verdict;
  }
  static Verdict Unscored(VerdictKind kind, std::string reason) {
    Verdict verdict;
    verdict.kind = kind;
    verdict.reason = std::move(reason);
    return verdict;
  }

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// The K completions of one prompt under one lease, with their verdicts in the same order.
struct Group {
  uint64_t lease_id = 0;
  uint64_t prompt_id = 0;
  std::vector<Completion> completions;  // [K]
  std::vector<Verdict> verdicts;        // [K]

  friend bool operator==(const Group&, const Group&) = default;
};

// Oldest version that any token of the group was sampled with. REQUIRES: every completion has a
// version.
inline WeightVersion OldestWeightVersion(const Group& group) {
  WeightVersion oldest = group.completions.front().weight_versions.front().weight_version;
  for (const Completion& completion : group.completions) {
    for (const WeightVersionSpan& span : completion.weight_versions) {
      if (span.weight_version < oldest) oldest = span.weight_version;
    }
  }
  return oldest;
}

// The right of one rollout worker to answer a batch of prompts until a deadline.
struct Lease {
  uint64_t id = 0;  // monotonic within a run: the fencing token
  std::vector<Prompt> prompts;
  WeightVersion min_weight_version = 0;
  absl::Duration time_to_live;
};

// Groups by outcome since the start of a run. Holds at every moment:
// leased == trained + dropped_stale + dropped_unverified + expired + in_flight.
struct Ledger {
  uint64_t leased = 0;
  uint64_t trained = 0;
  uint64_t dropped_stale = 0;
  uint64_t dropped_unverified = 0;
  uint64_t expired = 0;
  uint64_t in_flight = 0;

  bool Balances() const {
    return leased == trained + dropped_stale + dropped_unverified + expired + in_flight;
  }
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

}  // namespace tpo

#endif  // TPO_CORE_TYPES_H_

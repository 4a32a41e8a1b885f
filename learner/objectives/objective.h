// A training objective in coefficient form (docs/decisions/0007): from log-probs, scores and masks
// it computes the loss and
// **the coefficient of each log-prob**, d loss / d log-prob. Backpropagating Σ coefficient ·
// log-prob then gives the loss's exact gradient, micro-batch by micro-batch, in constant memory.
//
// An objective is a pure function in double precision: no tensors, no state. What it freezes over
// epochs (the target q, the advantages) is a function of the anchor log-probs and the scores alone,
// so recomputing it each epoch changes nothing.
//
// Two shapes of input, told apart by `layout()`, both a matrix [rows, columns], row-major:
//  * kGroups: a row is a group, a column a member; log-probs are of whole sequences, or of single
//  candidate tokens
//    for the token-level variants, whose rows are the prefix states;
//  * kTokens: a row is a completion, a column a token position; log-probs are of tokens.
// Thread-safe: const and stateless.
#ifndef TPO_LEARNER_OBJECTIVES_OBJECTIVE_H_
#define TPO_LEARNER_OBJECTIVES_OBJECTIVE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/run_spec.h"

namespace tpo {

enum class ObjectiveLayout { kGroups, kTokens };

// One batch. Entries with valid == 0 (padding, members without a score) take part in nothing: their
// coefficient is 0, and what stands in the other fields is ignored (it may even be NaN).
struct ObjectiveInput {
  int rows = 0;
  int columns = 0;
  absl::Span<const double> log_probs;         // [rows, columns] under the current policy
  absl::Span<const double> anchor_log_probs;  // [rows, columns] recorded while sampling
  absl::Span<const double> scores;  // [rows, columns]: score of the member, or reward of the token
  absl::Span<const uint8_t> valid;  // [rows, columns]
  // [rows, columns] under the learner's policy when it took the batch; empty: as anchor_log_probs.
  absl::Span<const double> proximal_log_probs = {};
};

// Means over groups (over completions for kTokens) unless said otherwise; 0 where undefined for the
// objective: the anchor is there with kGroups, the target and the policy with has_target().
struct ObjectiveDiagnostics {
  double zero_variance_fraction =
      0.0;                        // of rows (kTokens: of columns) whose valid scores are all equal
  double target_entropy = 0.0;    // nats, of q
  double anchor_entropy = 0.0;    // nats, of p_old = softmax(anchor log-probs)
  double target_kl = 0.0;         // KL(q || p_old), nats
  double target_distance = 0.0;   // L1 norm of q - p
  double policy_entropy = 0.0;    // nats, of p = softmax(log-probs)
  double target_policy_kl = 0.0;  // KL(q || p), nats
  double clip_fraction = 0.0;     // of valid entries, those whose ratio the clip holds back
  // TPO with an anchor only (learner/objectives/anchoring.h).
  double effective_sample_fraction = 0.0;
  double gated_fraction = 0.0;  // of groups, those that the gate dropped or attenuated
};

struct ObjectiveOutput {
  double loss = 0.0;
  std::vector<double> coefficients;  // [rows, columns]
  ObjectiveDiagnostics diagnostics;
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual ObjectiveLayout layout() const = 0;
  // Fits the policy to a target q: the TPO objectives.
  virtual bool has_target() const { return false; }
  // Needs a score per candidate token (tpo_token, grpo_token).
  virtual bool token_level() const { return false; }
  // Optimizer steps per batch that the objective allows: DG takes one, always.
  virtual bool single_epoch() const { return false; }
  // REQUIRES: all spans have rows * columns entries.
  virtual ObjectiveOutput Evaluate(const ObjectiveInput& input) const = 0;
};

// INVALID_ARGUMENT: eta or clip_epsilon not above 0, negative kl_beta, an anchor's cap or fraction
// out of range. `spec.importance` is the trainer's.
absl::StatusOr<std::unique_ptr<Objective>> MakeObjective(const ObjectiveSpec& spec);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_OBJECTIVE_H_

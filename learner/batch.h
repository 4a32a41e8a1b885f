// A batch of groups laid out for an objective: which entry of the objective's matrix each sampled
// token belongs to. Pure: no tensors, no threads.
//
// Layouts (learner/objectives/objective.h):
//  * sequence-level groups: row = group, column = completion; an entry's log-prob is the sum over
//  its tokens, divided by a power of their number where that is wanted;
//  * token-level groups: row = prefix state (position of a completion), column = candidate;
//  * tokens: row = completion, column = position.
// Completions without a score are left out of the sequences, and their entries aren't valid.
#ifndef TPO_LEARNER_BATCH_H_
#define TPO_LEARNER_BATCH_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/lease_book.h"
#include "learner/objectives/objective.h"
#include "policy/prefix_tree.h"

namespace tpo {

class Batch {
 public:
  // Lays out `groups`, which must outlive the batch. INVALID_ARGUMENT: token rewards or candidates
  // that `objective` needs are missing (admission lets no such group in). `length_exponent`:
  // ObjectiveSpec's.
  static absl::StatusOr<Batch> Create(const std::vector<ReadyGroup>& groups,
                                      const Objective& objective, double length_exponent = 0.0);

  // The scored completions as sequences for a prefix tree.
  absl::Span<const TreeSequence> sequences() const { return sequences_; }
  // Tokens that a policy without prefix sharing would forward.
  int64_t token_count() const { return token_count_; }

  // The objective's input for the entries' log-probs [rows * columns]; views into this batch and
  // into `log_probs`.
  ObjectiveInput InputFor(absl::Span<const double> log_probs) const;
  size_t entry_count() const { return static_cast<size_t>(rows_) * columns_; }
  // Log-probs recorded while sampling [rows * columns]; 0 where not valid.
  absl::Span<const double> anchor_log_probs() const { return anchor_; }
  // Replaces them, e.g. by the learner's own log-probs in double precision. REQUIRES: entry_count()
  // values.
  void set_anchor_log_probs(std::vector<double> anchor) { anchor_ = std::move(anchor); }

  // Log-probs recorded while sampling of what sequence s scores, token by token.
  absl::Span<const float> recorded_log_probs(int sequence) const { return recorded_[sequence]; }
  // Scored tokens of all sequences.
  int64_t scored_count() const { return scored_count_; }

  // By which the log-prob of each token of sequence s counts in its entry, and so the entry's
  // coefficient in the token's.
  double TokenWeight(int sequence) const { return token_weight_[sequence]; }

  // Entry of the i-th scored token of sequence s.
  size_t Entry(int sequence, size_t i) const {
    return first_entry_[sequence] + (entry_per_sequence_ ? 0 : i);
  }

 private:
  // Finds the matrix's shape, and checks that the members have what the objective reads.
  absl::Status Measure(const std::vector<ReadyGroup>& groups, const Objective& objective);
  // Enters one scored member; its first entry is `first_entry`.
  void Add(const ReadyGroup& ready, size_t member, bool token_level, size_t first_entry);

  int rows_ = 0;
  int columns_ = 0;
  bool entry_per_sequence_ = false;
  double length_exponent_ = 0.0;
  std::vector<TreeSequence> sequences_;
  std::vector<size_t> first_entry_;                // per sequence
  std::vector<absl::Span<const float>> recorded_;  // per sequence
  std::vector<double> token_weight_;               // per sequence
  int64_t scored_count_ = 0;
  std::vector<double> anchor_, scores_;
  std::vector<uint8_t> valid_;
  int64_t token_count_ = 0;
};

}  // namespace tpo

#endif  // TPO_LEARNER_BATCH_H_

// Statistics of a batch for the step's record, and groups laid open for inspection. Pure.
#ifndef TPO_LEARNER_STEP_STATISTICS_H_
#define TPO_LEARNER_STEP_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/lease_book.h"
#include "core/step_record.h"

namespace tpo {

// Fills the fields of `record` that follow from the groups alone: rewards, all_fail_fraction,
// lengths, truncation, kinds of verdicts, and staleness relative to `version`, the learner's when
// the batch was taken.
void AddGroupStatistics(const std::vector<ReadyGroup>& groups, WeightVersion version,
                        StepRecord& record);

// Sampled completion tokens.
uint64_t CountTokens(const std::vector<ReadyGroup>& groups);

// Lays the first `count` groups open as `objective` sees them: u, p_old, q where it has a target,
// and p from the log-probs [groups * K] of the last epoch; `proximal_log_probs` are those of the
// first one. Of groups with fewer than two scored completions, and without an objective (one that
// doesn't look at groups of sequences), the scores only.
std::vector<InspectedGroup> InspectGroups(const std::vector<ReadyGroup>& groups, int64_t step,
                                          int count, const ObjectiveSpec* objective,
                                          absl::Span<const double> log_probs,
                                          absl::Span<const double> proximal_log_probs);

}  // namespace tpo

#endif  // TPO_LEARNER_STEP_STATISTICS_H_

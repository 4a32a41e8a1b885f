// The valid members of a group, side by side: how grouped objectives see a masked matrix row.
//
// Used by the objectives only. Not thread-safe: a visitor reuses one GroupMembers for all groups.
#ifndef TPO_LEARNER_OBJECTIVES_GROUP_MEMBERS_H_
#define TPO_LEARNER_OBJECTIVES_GROUP_MEMBERS_H_

#include <cassert>
#include <cstddef>
#include <vector>

#include "learner/objectives/objective.h"

namespace tpo {

// All vectors have one entry per valid member.
struct GroupMembers {
  std::vector<size_t> entries;  // where the member stands in the [rows, columns] matrices
  std::vector<double> log_probs;
  std::vector<double> anchor_log_probs;
  std::vector<double> proximal_log_probs;
  std::vector<double> scores;

  size_t size() const { return entries.size(); }
  void Clear() {
    entries.clear();
    log_probs.clear();
    anchor_log_probs.clear();
    proximal_log_probs.clear();
    scores.clear();
  }
};

// REQUIRES of Objective::Evaluate, asserted.
inline void AssertShapes(const ObjectiveInput& input) {
  [[maybe_unused]] const size_t size =
      static_cast<size_t>(input.rows) * static_cast<size_t>(input.columns);
  assert(input.rows >= 0 && input.columns >= 0);
  assert(input.log_probs.size() == size);
  assert(input.anchor_log_probs.size() == size);
  assert(input.proximal_log_probs.empty() || input.proximal_log_probs.size() == size);
  assert(input.scores.size() == size);
  assert(input.valid.size() == size);
}

// Calls visit(GroupMembers&) for each group that has a loss, which takes at least two valid
// members. The argument lives until the visitor returns, and is its to change. Returns the number
// of calls.
template <typename Visitor>
int VisitGroups(const ObjectiveInput& input, Visitor visit) {
  AssertShapes(input);
  const size_t columns = static_cast<size_t>(input.columns);
  const absl::Span<const double> proximal =
      input.proximal_log_probs.empty() ? input.anchor_log_probs : input.proximal_log_probs;
  GroupMembers members;
  int visited = 0;
  for (size_t row = 0; row < static_cast<size_t>(input.rows); ++row) {
    members.Clear();
    for (size_t i = row * columns; i < (row + 1) * columns; ++i) {
      if (input.valid[i] == 0) continue;
      members.entries.push_back(i);
      members.log_probs.push_back(input.log_probs[i]);
      members.anchor_log_probs.push_back(input.anchor_log_probs[i]);
      members.proximal_log_probs.push_back(proximal[i]);
      members.scores.push_back(input.scores[i]);
    }
    if (members.size() < 2) continue;
    visit(members);
    ++visited;
  }
  return visited;
}

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_GROUP_MEMBERS_H_

// The task "knights_knaves" of Reasoning Gym (PyPI package reasoning-gym 0.1.25), after Xie et al.,
// "On Memorization of Large Language Models in Logical Reasoning" (arXiv 2410.23123): some people
// only say what is true, the others only what is false; who is what?
//
// Scores are the package's own (KnightsKnavesDataset.score_answer). Reference and answer are read
// as pairs of a name and a role ("Ann is a knight"), in lower case and in any order; a role without
// a name before it, and a name without a role behind it, don't count.
//   1                  the same pairs
//   0.3 + 0.7 * share  as many pairs, of which this share is right, if any is
//   0                  else
// Letters beyond ASCII stay in the case they are in; the package lowers them.
//
// Pure functions; time is linear in the text.
#ifndef TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_H_
#define TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tpo {

using RoleAssignments = std::set<std::pair<std::string, std::string>>;  // name, role

RoleAssignments ParseRoleAssignments(std::string_view text);

// REQUIRES: `reference` isn't empty.
double ScoreRoleAssignments(const RoleAssignments& reference, const RoleAssignments& answer,
                            bool partial_credit);

// Puzzles with exactly one solution.
struct KnightsKnavesParameters {
  int people = 2;
  int depth = 2;  // most levels of a statement
  int width = 2;  // most parts of an "and" or "or"
};

// A row of a dataset: prompt, answer, task "knights_knaves", and the puzzle: names, roles,
// statements (in the form of the package, such as ["or", ["lying", 0], ["telling-truth", 1]]) and
// the solution, whether each tells the truth. INVALID_ARGUMENT: the parameters are out of range.
absl::StatusOr<nlohmann::ordered_json> GenerateKnightsKnaves(
    const KnightsKnavesParameters& parameters, uint64_t seed, uint64_t row);

}  // namespace tpo

#endif  // TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_H_

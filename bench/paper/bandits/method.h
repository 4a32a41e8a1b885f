// The methods that the bandit studies compare (paper.md §4). Thread-safe: pure functions.
#ifndef TPO_BENCH_PAPER_BANDITS_METHOD_H_
#define TPO_BENCH_PAPER_BANDITS_METHOD_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tpo {

enum class BanditMethod {
  kPg,            // REINFORCE
  kGrpo,          // the same with standardized rewards
  kDg,            // advantages gated by the surprisal of the action
  kTpo,           // a target distribution, fitted by cross-entropy
  kGroupPg,       // TPO's standardized scores as weights, without its target; neural only
  kCrossEntropy,  // the oracle, which knows the right arm; multi-context only
};

// Which of them a study has, in the order of the paper's legends.
enum class BanditStudy { kSingle, kMulti, kNeural };
std::vector<BanditMethod> MethodsOf(BanditStudy study);

// "pg", "grpo", "dg", "tpo", "group_pg", "ce".
std::string MethodName(BanditMethod method);
// "single", "multi", "neural".
std::string StudyName(BanditStudy study);

// INVALID_ARGUMENT: no such method, or none of the study; the message lists those there are.
absl::StatusOr<BanditMethod> ParseMethod(BanditStudy study, const std::string& name);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_METHOD_H_

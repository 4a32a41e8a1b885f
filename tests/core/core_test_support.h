// Small builders that several tests of core share.
#ifndef TPO_TESTS_CORE_CORE_TEST_SUPPORT_H_
#define TPO_TESTS_CORE_CORE_TEST_SUPPORT_H_

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/types.h"
#include "core/weight_snapshot.h"
#include "gmock/gmock.h"

namespace tpo {

// Matches an absl::Status of a code whose message contains `part`.
MATCHER_P2(IsStatus, code, part, "") {
  return arg.code() == code && std::string(arg.message()).find(part) != std::string::npos;
}
// The same for the status of an absl::StatusOr.
MATCHER_P2(HoldsStatus, code, part, "") {
  return arg.status().code() == code &&
         std::string(arg.status().message()).find(part) != std::string::npos;
}

inline Completion MakeCompletion(std::vector<TokenId> tokens, WeightVersion version) {
  Completion completion;
  completion.behavior_log_probs.assign(tokens.size(), -0.5F);
  completion.tokens = std::move(tokens);
  completion.finish_reason = FinishReason::kLength;
  completion.weight_versions = {{.weight_version = version, .first_token = 0}};
  return completion;
}

// A well-formed group of two scored completions.
inline Group MakeGroup(uint64_t lease_id, uint64_t prompt_id, WeightVersion version) {
  Group group;
  group.lease_id = lease_id;
  group.prompt_id = prompt_id;
  group.completions = {MakeCompletion({0, 1}, version), MakeCompletion({1, 1}, version)};
  group.verdicts = {Verdict::Scored(0.0), Verdict::Scored(1.0)};
  return group;
}

inline TensorSpec Tensor(std::string name, TensorType type, std::vector<int64_t> shape) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.shape = std::move(shape);
  return spec;
}

// One float32 tensor "w" that holds `values`.
inline TensorBundle MakeBundle(const std::vector<float>& values) {
  auto bundle = TensorBundle::Create(
      {Tensor("w", TensorType::kFloat32, {static_cast<int64_t>(values.size())})});
  std::memcpy(bundle->bytes().data(), values.data(), values.size() * sizeof(float));
  return *std::move(bundle);
}

inline std::shared_ptr<const WeightSnapshot> MakeSnapshot(WeightVersion version) {
  return WeightSnapshot::Create(version, MakeBundle({1.0F, static_cast<float>(version)}));
}

}  // namespace tpo

#endif  // TPO_TESTS_CORE_CORE_TEST_SUPPORT_H_

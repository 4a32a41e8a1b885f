#include "core/group_digest.h"

#include <functional>
#include <set>

#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

Group Sample() {
  Group group = MakeGroup(3, 5, 2);
  group.completions[0].candidate_tokens = {0, 1, 1, 0};
  group.completions[0].candidate_log_probs = {-0.1F, -0.2F, -0.3F, -0.4F};
  group.completions[1].text = "text";
  group.verdicts[0].components = {{"style", 1.0}};
  group.verdicts[0].token_rewards = {1.0F, 0.0F};
  group.verdicts[1] = Verdict::Unscored(VerdictKind::kFailed, "reason");
  return group;
}

TEST(GroupDigestTest, EqualGroupsHaveEqualDigests) {
  EXPECT_EQ(GroupDigest(Sample()), GroupDigest(Sample()));
}

TEST(GroupDigestTest, EveryFieldCounts) {
  const std::vector<std::function<void(Group&)>> changes = {
      [](Group&) {},
      [](Group& g) { g.lease_id = 4; },
      [](Group& g) { g.prompt_id = 6; },
      [](Group& g) { g.completions.pop_back(); },
      [](Group& g) { g.completions[0].tokens[1] = 0; },
      [](Group& g) { g.completions[0].tokens.push_back(0); },
      [](Group& g) { g.completions[0].behavior_log_probs[0] = -0.5000001F; },
      [](Group& g) { g.completions[0].finish_reason = FinishReason::kStop; },
      [](Group& g) { g.completions[0].weight_versions[0].weight_version = 1; },
      [](Group& g) {
        g.completions[0].weight_versions.push_back({3, 1});
      },
      [](Group& g) { g.completions[1].text = "texT"; },
      [](Group& g) { g.completions[0].candidate_tokens[3] = 1; },
      [](Group& g) { g.completions[0].candidate_log_probs[3] = -0.5F; },
      [](Group& g) { std::swap(g.completions[0], g.completions[1]); },
      [](Group& g) { g.verdicts[0].score = 0.25; },
      [](Group& g) { g.verdicts[0].components["style"] = 2.0; },
      [](Group& g) {
        g.verdicts[0].components = {{"stylf", 1.0}};
      },
      [](Group& g) { g.verdicts[0].token_rewards[1] = 0.5F; },
      [](Group& g) { g.verdicts[0].cost = 1.0; },
      [](Group& g) { g.verdicts[0].explanation = "because"; },
      [](Group& g) { g.verdicts[0].reason = "because"; },
      [](Group& g) { g.verdicts[1].kind = VerdictKind::kTimedOut; },
      [](Group& g) { g.verdicts.pop_back(); }};
  std::set<uint32_t> digests;
  for (const auto& change : changes) {
    Group group = Sample();
    change(group);
    digests.insert(GroupDigest(group));
  }
  EXPECT_EQ(digests.size(), changes.size());
}

}  // namespace
}  // namespace tpo

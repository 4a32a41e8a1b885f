// Whether a pass's entropies are those of the distributions of its log-probs.
#ifndef TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_
#define TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "policy/policy.h"

namespace tpo {

inline void ExpectEntropiesOfTheWholeVocabulary(const Policy& policy, const PrefixTree& tree,
                                                double temperature, double tolerance) {
  PrefixTree all_tokens = tree;
  all_tokens.scored.clear();
  for (int node = 0; node < tree.nodes.size(); ++node) {
    for (TokenId token = 0; token < policy.vocabulary_size(); ++token)
      all_tokens.scored.push_back({node, token});
  }
  const auto whole_pass = policy.NewPass();
  std::vector<double> expected(tree.nodes.size(), 0.0);
  const auto log_probs = whole_pass->Forward(all_tokens, temperature);
  for (size_t e = 0; e < log_probs.size(); ++e)
    expected[all_tokens.scored[e].node] -= std::exp(log_probs[e]) * log_probs[e];

  const auto pass = policy.NewPass();
  pass->Forward(tree, temperature);
  const auto entropies = pass->Entropies();
  ASSERT_EQ(entropies.size(), tree.scored.size());
  for (size_t e = 0; e < tree.scored.size(); ++e)
    EXPECT_NEAR(entropies[e], expected[tree.scored[e].node], tolerance);
}

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_

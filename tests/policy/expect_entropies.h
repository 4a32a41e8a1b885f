// Whether a pass's entropies are those of the distributions that a decoder gives.
#ifndef TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_
#define TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "policy/policy.h"

namespace tpo {

inline void ExpectEntropiesOfTheWholeVocabulary(const Policy& policy, const PrefixTree& tree,
                                                double temperature, double tolerance) {
  const int vocabulary = policy.vocabulary_size();
  const auto pass = policy.NewPass();
  pass->Forward(tree, temperature);
  const auto entropies = pass->Entropies();
  const auto decoder = policy.NewDecoder();
  decoder->Reset(tree.nodes.size());
  const auto log_probs = decoder->Extend(tree.nodes, temperature);
  ASSERT_EQ(entropies.size(), tree.scored.size());
  for (size_t e = 0; e < tree.scored.size(); ++e) {
    double expected = 0.0;
    for (const float log_prob :
         log_probs.subspan(int64_t{tree.scored[e].node} * vocabulary, vocabulary))
      expected -= std::exp(double{log_prob}) * log_prob;
    EXPECT_NEAR(entropies[e], expected, tolerance);
  }
}

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_EXPECT_ENTROPIES_H_

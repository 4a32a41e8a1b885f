#include "policy/prefix_tree.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kStride = 8;

// Sequences that own their tokens.
struct Sequences {
  void Add(std::vector<TokenId> prompt, std::vector<TokenId> completion,
           std::vector<TokenId> candidates = {}) {
    storage.push_back({std::move(prompt), std::move(completion), std::move(candidates)});
  }
  std::vector<TreeSequence> Views() const {
    std::vector<TreeSequence> views;
    for (const auto& tokens : storage) views.push_back({tokens[0], tokens[1], tokens[2]});
    return views;
  }
  std::vector<std::array<std::vector<TokenId>, 3>> storage;
};

// Tokens on the path from the root to a node.
std::vector<TokenId> PrefixOf(const TreeNodes& nodes, int node) {
  std::vector<TokenId> prefix;
  for (int p = 0; p <= nodes.positions[node]; ++p)
    prefix.push_back(nodes.tokens[nodes.path(node)[p]]);
  return prefix;
}

TEST(PrefixTreeTest, SharesPromptsAndPrefixesOfCompletions) {
  Sequences sequences;
  sequences.Add({1, 0}, {1, 1});
  sequences.Add({1, 0}, {1, 0});
  const PrefixTree tree = BuildPrefixTree(sequences.Views(), kStride);
  EXPECT_THAT(tree.nodes.tokens, ElementsAre(1, 0, 1));
  EXPECT_THAT(tree.nodes.positions, ElementsAre(0, 1, 2));
  ASSERT_EQ(tree.scored.size(), 3);
  // Both sequences score token 1 after the prompt, once.
  EXPECT_EQ(tree.sequence_scored[0][0], tree.sequence_scored[1][0]);
  EXPECT_NE(tree.sequence_scored[0][1], tree.sequence_scored[1][1]);
}

TEST(PrefixTreeTest, IdenticalCompletionsCostNothing) {
  Sequences once;
  once.Add({0, 1, 1}, {1, 0, 1});
  Sequences thrice = once;
  thrice.Add({0, 1, 1}, {1, 0, 1});
  thrice.Add({0, 1, 1}, {1, 0, 1});
  EXPECT_EQ(CountTreeNodes(once.Views()), CountTreeNodes(thrice.Views()));
  EXPECT_EQ(BuildPrefixTree(once.Views(), kStride).scored,
            BuildPrefixTree(thrice.Views(), kStride).scored);
}

TEST(PrefixTreeTest, TheLastTokenIsScoredButNotForwarded) {
  Sequences sequences;
  sequences.Add({0}, {1, 1, 1});
  EXPECT_EQ(BuildPrefixTree(sequences.Views(), kStride).nodes.size(), 3);
}

TEST(PrefixTreeTest, AnEmptyCompletionForwardsItsPromptAndScoresNothing) {
  Sequences sequences;
  sequences.Add({0, 1}, {});
  const PrefixTree tree = BuildPrefixTree(sequences.Views(), kStride);
  EXPECT_EQ(tree.nodes.size(), 2);
  EXPECT_THAT(tree.sequence_scored[0], IsEmpty());
}

TEST(PrefixTreeTest, CandidatesAreScoredInPlaceOfTheCompletion) {
  Sequences sequences;
  sequences.Add({0}, {1, 0}, {1, 0, 1, 0, 0, 1});
  const PrefixTree tree = BuildPrefixTree(sequences.Views(), kStride);
  ASSERT_EQ(tree.sequence_scored[0].size(), 6);
  std::vector<ScoredToken> scored;
  for (const int32_t index : tree.sequence_scored[0]) scored.push_back(tree.scored[index]);
  EXPECT_THAT(scored, ElementsAre(ScoredToken{0, 1}, ScoredToken{0, 0}, ScoredToken{0, 1},
                                  ScoredToken{1, 0}, ScoredToken{1, 0}, ScoredToken{1, 1}));
  EXPECT_EQ(tree.scored.size(), 4);
}

class RandomTreeTest : public ::testing::TestWithParam<int> {
 protected:
  RandomTreeTest() {
    std::mt19937 random(GetParam());
    const int vocabulary = 2 + static_cast<int>(random() % 3);
    for (int s = 0; s < 60; ++s) {
      std::vector<TokenId> prompt(1 + random() % 3);
      std::vector<TokenId> completion(random() % 5);
      for (TokenId& token : prompt) token = static_cast<TokenId>(random() % vocabulary);
      for (TokenId& token : completion) token = static_cast<TokenId>(random() % vocabulary);
      sequences_.Add(prompt, completion);
    }
  }
  Sequences sequences_;
};

TEST_P(RandomTreeTest, WithoutPathsTheTreeIsTheSame) {
  const auto views = sequences_.Views();
  const PrefixTree tree = BuildPrefixTree(views, kStride);
  const PrefixTree parents_only = BuildPrefixTree(views, 0);
  EXPECT_EQ(parents_only.nodes.tokens, tree.nodes.tokens);
  EXPECT_EQ(parents_only.nodes.positions, tree.nodes.positions);
  EXPECT_EQ(parents_only.nodes.parents, tree.nodes.parents);
  EXPECT_EQ(parents_only.scored, tree.scored);
  EXPECT_TRUE(parents_only.nodes.paths.empty());
}

TEST_P(RandomTreeTest, EveryScoredTokenFollowsItsPrefixAndNoPrefixIsThereTwice) {
  const auto views = sequences_.Views();
  const PrefixTree tree = BuildPrefixTree(views, kStride);
  EXPECT_EQ(tree.nodes.size(), CountTreeNodes(views));
  std::set<std::vector<TokenId>> prefixes;
  for (int n = 0; n < tree.nodes.size(); ++n) {
    EXPECT_EQ(tree.nodes.path(n)[tree.nodes.positions[n]], n);
    const int position = tree.nodes.positions[n];
    EXPECT_EQ(tree.nodes.parents[n], position == 0 ? -1 : tree.nodes.path(n)[position - 1]);
    EXPECT_TRUE(prefixes.insert(PrefixOf(tree.nodes, n)).second);
  }
  for (size_t s = 0; s < views.size(); ++s) {
    ASSERT_EQ(tree.sequence_scored[s].size(), views[s].completion.size());
    std::vector<TokenId> prefix(views[s].prompt.begin(), views[s].prompt.end());
    for (size_t t = 0; t < views[s].completion.size(); ++t) {
      const ScoredToken& scored = tree.scored[tree.sequence_scored[s][t]];
      EXPECT_EQ(scored.token, views[s].completion[t]);
      EXPECT_EQ(PrefixOf(tree.nodes, scored.node), prefix);
      prefix.push_back(views[s].completion[t]);
    }
  }
}

TEST_P(RandomTreeTest, PartitionCoversEverySequenceOnceWithinTheBudget) {
  const auto views = sequences_.Views();
  constexpr int kBudget = 12;
  std::vector<int> seen;
  for (const std::vector<int>& part : PartitionByPrefix(views, kBudget)) {
    std::vector<TreeSequence> members;
    for (const int index : part) members.push_back(views[index]);
    EXPECT_LE(CountTreeNodes(members), kBudget);
    seen.insert(seen.end(), part.begin(), part.end());
  }
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(seen.size(), views.size());
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int>(i));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTreeTest, ::testing::Range(0, 8));

TEST(PartitionTest, OneLongSequenceMayExceedTheBudget) {
  Sequences sequences;
  sequences.Add({0, 1, 0, 1}, {1, 1});
  EXPECT_EQ(PartitionByPrefix(sequences.Views(), 2).size(), 1);
}

}  // namespace
}  // namespace tpo

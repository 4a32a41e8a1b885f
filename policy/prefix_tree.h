// Sequences as a tree of shared prefixes: what both sides of the policy compute on.
//
// A causal policy's state after a prefix depends on that prefix alone, so a batch of sequences
// needs one node per distinct prefix, not one per token of each sequence: the K completions of a
// prompt share the prompt, identical completions share everything, and different prompts share
// their common beginning. The forward pass is exact on the tree (a node attends to its ancestors),
// and so is the gradient: the coefficient of a scored token is the sum over the sequences that pass
// through it.
//
//        sequences [1 0 | 1 1], [1 0 | 1 0]        nodes        scored tokens (node -> token)
//                                                  1            -
//                                                  1 0          -> 1
//                                                  1 0 1        -> 1, -> 0
//
// The last token of a sequence is only scored, never forwarded. Plain data, no tensors, no threads.
#ifndef TPO_POLICY_PREFIX_TREE_H_
#define TPO_POLICY_PREFIX_TREE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/types.h"

namespace tpo {

// The nodes of one forward pass. A node's parent may be a node of an earlier pass over the same
// cache (decoding); paths name rows of the cache, which in training are the nodes themselves.
struct TreeNodes {
  // Rows in a path; the size of the policy's position table. 0: no paths are kept, for policies
  // that read parents only; over long sequences paths are many times as large as the rest.
  int path_stride = 0;
  std::vector<TokenId> tokens;     // [N]
  std::vector<int32_t> positions;  // [N], depth counted from 0
  std::vector<int32_t> parents;    // [N], cache row of the node before; -1: a root
  // [N, path_stride]: cache rows from the root to the node itself; the first positions[n] + 1
  // entries of a row hold.
  std::vector<int32_t> paths;

  int size() const { return static_cast<int>(tokens.size()); }
  const int32_t* path(int node) const {
    return paths.data() + static_cast<size_t>(node) * path_stride;
  }
  // Appends a node at cache row `row`, below the node whose path is `parent_path` (unused for a
  // root).
  void Append(TokenId token, int32_t position, const int32_t* parent_path, int32_t row);
};

// "the log-prob of `token` after `node`".
struct ScoredToken {
  int32_t node = 0;
  TokenId token = 0;

  friend bool operator==(const ScoredToken&, const ScoredToken&) = default;
};

// One sequence to be laid into a tree: its completion tokens are scored. The spans must stay alive
// while a tree is built.
struct TreeSequence {
  absl::Span<const TokenId> prompt;      // not empty
  absl::Span<const TokenId> completion;  // [T]
  // [T, C]: scored after each position's prefix instead of the completion's own tokens; may be
  // empty.
  absl::Span<const TokenId> candidates;
};

struct PrefixTree {
  TreeNodes nodes;
  std::vector<ScoredToken> scored;  // [E], distinct
  // Per sequence, in the order given: indices into `scored`, one per completion token [T] or
  // candidate [T, C].
  std::vector<std::vector<int32_t>> sequence_scored;
};

// Builds the tree of `sequences`. REQUIRES: prompt and completion together have at most path_stride
// + 1 tokens, unless it is 0.
PrefixTree BuildPrefixTree(absl::Span<const TreeSequence> sequences, int path_stride);

// Number of nodes that BuildPrefixTree would make.
int CountTreeNodes(absl::Span<const TreeSequence> sequences);

// Cuts `sequences` into runs with long common prefixes, so that each run's tree has at most
// `nodes_per_part` nodes, unless a single sequence has more. Returns indices into `sequences`.
// Deterministic, and independent of the order of sequences that differ.
std::vector<std::vector<int>> PartitionByPrefix(absl::Span<const TreeSequence> sequences,
                                                int nodes_per_part);

}  // namespace tpo

#endif  // TPO_POLICY_PREFIX_TREE_H_

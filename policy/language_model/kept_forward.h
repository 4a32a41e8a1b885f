// What the backward pass of a tree needs of its forward pass: the inputs of each layer's two
// halves, from which they are computed again, and the normalisers of the scored rows. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_KEPT_FORWARD_H_
#define TPO_POLICY_LANGUAGE_MODEL_KEPT_FORWARD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "policy/language_model/log_normaliser.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/tree_layout.h"
#include "policy/prefix_tree.h"

namespace tpo {

struct KeptForward {
  TreeLayout layout;
  // [2 · layers + 1][rows, hidden_stride]: the stream before each layer's attention and before its
  // feed-forward by turns, and after the last layer.
  AlignedMemory<float> streams;
  int64_t hidden_stride = 0;

  // The tree's scored tokens by row.
  std::vector<int> scored_rows;            // ascending
  std::vector<size_t> begins;              // of a scored row's entries in `entries`, and their end
  std::vector<int32_t> entries;            // indices into the tree's scored tokens
  std::vector<ScoredToken> scored;         // the tree's
  std::vector<LogNormaliser> normalisers;  // by scored row
  std::vector<double> log_probs;           // of `scored`
  std::vector<double> entropies;           // of the distributions of `scored`, in nats

  int row_count() const { return static_cast<int>(layout.rows().size()); }
  float* stream(int half, int row) {
    return streams.data() + (int64_t{half} * row_count() + row) * hidden_stride;
  }
  const float* stream(int half, int row) const {
    return streams.data() + (int64_t{half} * row_count() + row) * hidden_stride;
  }

  void Begin(const PrefixTree& tree, int layers, int hidden_size) {
    layout = TreeLayout(tree.nodes);
    hidden_stride = RoundUp(hidden_size, kPanelColumns);
    const size_t needed = size_t{1} * (2 * layers + 1) * row_count() * hidden_stride;
    if (streams.size() < needed) {
      streams = AlignedMemory<float>();
      streams = AlignedMemory<float>(needed);
    }
    scored = tree.scored;
    entries.resize(scored.size());
    std::iota(entries.begin(), entries.end(), 0);
    std::stable_sort(entries.begin(), entries.end(), [this](int32_t left, int32_t right) {
      return scored[left].node < scored[right].node;
    });
    scored_rows.clear();
    begins.clear();
    for (size_t i = 0; i < entries.size(); ++i) {
      const int row = scored[entries[i]].node;
      if (!scored_rows.empty() && scored_rows.back() == row) continue;
      scored_rows.push_back(row);
      begins.push_back(i);
    }
    begins.push_back(entries.size());
    normalisers.resize(scored_rows.size());
    log_probs.resize(scored.size());
    entropies.resize(scored.size());
  }

  size_t size_bytes() const {
    return layout.size_bytes() + streams.size() * sizeof(float) +
           scored_rows.size() * (sizeof(int) + sizeof(size_t) + sizeof(LogNormaliser)) +
           scored.size() * (sizeof(int32_t) + sizeof(ScoredToken) + 2 * sizeof(double));
  }
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_KEPT_FORWARD_H_

// The gradient of attention over the chains of a tree: of queries row by row, of keys and values
// page by page, so that each sum has one order and threads share nothing. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_ATTENTION_GRADIENT_H_
#define TPO_POLICY_LANGUAGE_MODEL_ATTENTION_GRADIENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/language_model/forward_layers.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/training_loops.h"
#include "policy/language_model/tree_layout.h"

namespace tpo {

// Where the gradients of the norms of queries and keys go; nullptr: nowhere.
struct HeadNormTargets {
  float* query = nullptr;
  float* key = nullptr;
};

template <typename T>
class AttentionGradient {
 public:
  AttentionGradient(const LanguageModelConfig& config, const LanguageLoops& loops,
                    ForwardLayers<T>* layers, ThreadTeam* team);

  // Makes room; one thread.
  void Begin(const TreeLayout& layout);

  // The pieces of a layer's backward pass, each a thread's part, with a barrier before each. The
  // forward pass of the layer's attention has just run.
  void MirrorPages(int thread, KeyValueCache& cache);
  void Queries(int thread, Rows<float>& attended_gradient);
  void KeysAndValues(int thread, Rows<float>& attended_gradient);
  // Back through rotation and norms, rounded into rows(); own rows.
  void TurnBack(int thread, const LanguageModelLayer<T>& layer);
  void AddNorms(int thread, const HeadNormTargets& targets);

  // The gradient of the product that gives queries, keys and values.
  Rows<T>& rows() { return rows_; }
  size_t size_bytes() const;

 private:
  AttentionPages Pages(int head) const;
  // One head of one row, back through its rotation and its norm, into `out`.
  void TurnHeadBack(int row, int head, float scale, const std::vector<float>& norm, float* out);
  void AddNorm(int first_head, int head_count, float* target);

  const LanguageModelConfig& config_;
  const LanguageLoops& all_loops_;
  const TypedTrainingLoops<T>& loops_;
  ForwardLayers<T>* const layers_;
  ThreadTeam* const team_;
  const int width_;  // head_dim, to a multiple of 16
  const TreeLayout* layout_ = nullptr;
  // [key-value head][page]: key columns and value columns [head_dim][16], key rows [16][width].
  AlignedMemory<T> key_columns_;
  AlignedMemory<T> value_columns_;
  AlignedMemory<T> key_rows_;
  Rows<float> gradient_;  // of queries, keys and values as they are used
  Rows<T> rows_;
  std::vector<AttentionSums> sums_;          // [row, head]
  std::vector<float> inverses_;              // 1 / rms of a head, [row, heads + key-value heads]
  std::vector<std::vector<float>> scratch_;  // by thread
};

extern template class AttentionGradient<float>;
extern template class AttentionGradient<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_ATTENTION_GRADIENT_H_

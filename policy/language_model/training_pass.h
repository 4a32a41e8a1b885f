// Forward and backward passes over prefix trees: the working memory that all passes of a policy
// share. Internal to policy/language_model/; see trainable_language_model.h.
//
// Backward, from the head down. The head's gradient is made for kHeadColumns of the vocabulary at a
// time, so that nothing has the size rows × vocabulary. A layer is computed again from its kept
// inputs, but for the two products whose results nobody needs (o_proj, down_proj). What enters a
// product is rounded to T; everything else, and every sum, is float32.
#ifndef TPO_POLICY_LANGUAGE_MODEL_TRAINING_PASS_H_
#define TPO_POLICY_LANGUAGE_MODEL_TRAINING_PASS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/attention_gradient.h"
#include "policy/language_model/forward_layers.h"
#include "policy/language_model/head_gradient.h"
#include "policy/language_model/kept_forward.h"
#include "policy/language_model/linear_gradient.h"
#include "policy/language_model/lora_gradient.h"
#include "policy/language_model/training_targets.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

// All borrowed.
template <typename T>
class TrainingPass {
 public:
  TrainingPass(const LanguageModelConfig& config, const LanguageLoops& loops,
               const TrainingWeights<T>& weights, ThreadTeam* team);

  // Log-probs of the tree's scored tokens into kept->log_probs, and what Backward needs.
  void Forward(const PrefixTree& tree, double temperature, KeptForward* kept);
  // Adds the gradient of Σ coefficients[e] · log-prob[e] to the targets.
  void Backward(absl::Span<const double> coefficients, const KeptForward& kept,
                const GradientTarget& target);

  size_t size_bytes() const;

 private:
  struct ProductGradient;

  void BeginLayers(const KeptForward& kept);
  void ScoreRows(int thread, double temperature, KeptForward* kept);
  void LayerBackward(int thread, int index, const KeptForward& kept, const LayerTarget<T>& target);
  void FeedForwardBackward(int thread, int index, const KeptForward& kept,
                           const LayerTarget<T>& target);
  void AttentionBackward(int thread, int index, const KeptForward& kept,
                         const LayerTarget<T>& target);
  // normalised = norm(kept stream); own rows.
  void NormaliseKept(int thread, int half, const std::vector<float>& weight,
                     const KeptForward& kept);
  // gradient_ += norm's gradient of normalised_gradient_, rounded into rounded_gradient_; own rows.
  void NormBackward(int thread, int half, const std::vector<float>& weight,
                    const KeptForward& kept);
  // After a barrier: the norm's weights; the thread's columns.
  void AddNorm(int thread, int half, const KeptForward& kept, float* target);
  void AddEmbeddings(int thread, const KeptForward& kept, float* target);
  // Takes up a product's inputs and gradients; after a barrier, adds its gradients up. A thread's
  // parts.
  void TakeUp(int thread, const ProductTarget<T>& target, Rows<T>& inputs, Rows<T>& gradients,
              ProductGradient& gradient);
  void Add(int thread, const ProductTarget<T>& target, ProductGradient& gradient);
  // out = rows · transposed; the thread's part.
  void InputGradient(int thread, Rows<T>& rows, const PackedMatrix<T>& transposed,
                     Rows<float>& out);

  const LanguageModelConfig& config_;
  const LanguageLoops& all_loops_;
  const TypedLanguageLoops<T>& loops_;
  const TrainingWeights<T>& weights_;
  ThreadTeam* const team_;
  ForwardLayers<T> layers_;
  AttentionGradient<T> attention_;
  HeadGradient<T> head_;
  // A product's gradients, of its weights or of its adapters.
  struct ProductGradient {
    ProductGradient(const LanguageLoops& loops, ThreadTeam* team)
        : weights(loops, team), adapters(loops, team) {}
    LinearGradient<T> weights;
    LoraGradient<T> adapters;
  };
  ProductGradient query_key_value_;
  ProductGradient attention_output_;
  ProductGradient gate_up_;
  ProductGradient down_;
  std::unique_ptr<KeyValueCache> cache_;  // of one layer
  Rows<float> gradient_;                  // of the stream
  Rows<T> rounded_gradient_;
  Rows<float> normalised_gradient_;
  Rows<float> gate_sums_;
  Rows<float> gated_gradient_;
  Rows<T> gate_gradient_;
  Rows<float> attended_gradient_;
  std::vector<float> inverses_;  // 1 / rms by row
};

extern template class TrainingPass<float>;
extern template class TrainingPass<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TRAINING_PASS_H_

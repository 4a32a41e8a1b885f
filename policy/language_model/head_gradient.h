// Head and log-softmax of scored rows, forward and backward, for some rows or some of the
// vocabulary at a time. Internal to policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_HEAD_GRADIENT_H_
#define TPO_POLICY_LANGUAGE_MODEL_HEAD_GRADIENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/kept_forward.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/linear_gradient.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/thread_team.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

// Columns of the vocabulary whose gradients exist at a time.
inline constexpr int kHeadColumns = 2048;

// All borrowed.
template <typename T>
class HeadGradient {
 public:
  HeadGradient(const LanguageModelConfig& config, const LanguageLoops& loops,
               const TrainingWeights<T>& weights, ThreadTeam* team);

  // Room for the logits of kScoredAtATime rows; one thread.
  void BeginForward();
  // Normalisers, log-probs and entropies of kept's scored rows. A thread's part of all of it.
  void Forward(int thread, double temperature, Rows<T>& normalised, KeptForward* kept);

  // Makes room, and takes up what a backward pass is asked for; one thread. `weight`: the gradient
  // of the head's weight, `norm`: of the final norm's; nullptr: not wanted.
  void BeginBackward(absl::Span<const double> coefficients, const KeptForward& kept, float* weight,
                     float* norm);
  // stream_gradient = that of the stream after the last layer, zero in rows that aren't scored. A
  // thread's part of all of it; afterwards its own rows (ForwardLayers) are ready.
  void Backward(int thread, const KeptForward& kept, Rows<float>& stream_gradient);

  size_t size_bytes() const;

 private:
  void BlockLogits(int thread, int first_column, int columns);
  void BlockSoftmax(int thread, int first_column, int columns, const KeptForward& kept);
  void BlockInputs(int thread, int first_column, int columns);
  void BlockWeights(int thread, int first_column, int columns);
  void NormBackward(int thread, const KeptForward& kept, Rows<float>& stream_gradient);

  const LanguageModelConfig& config_;
  const LanguageLoops& all_loops_;
  const TypedLanguageLoops<T>& loops_;
  const TrainingWeights<T>& weights_;
  ThreadTeam* const team_;
  Rows<float> logits_;                          // forward: [kScoredAtATime, vocabulary]
  std::vector<std::vector<float>> block_sums_;  // by thread

  // Backward, by scored row.
  Rows<T> inputs_;  // normalised
  Rows<float> input_gradient_;
  Rows<float> block_;  // logits, then their gradients
  Rows<T> rounded_block_;
  PackedRows<T> packed_inputs_;
  PackedRows<T> packed_block_;
  struct Entry {
    int row = 0;  // scored row
    TokenId token = 0;
    double coefficient = 0.0;
  };
  std::vector<Entry> entries_;        // by row
  std::vector<size_t> entry_begins_;  // by scored row
  std::vector<double> totals_;        // Σ coefficients by scored row
  std::vector<float> inverses_;
  std::vector<float*> weight_rows_;  // by column of the vocabulary; empty: not wanted
  float* norm_ = nullptr;
};

extern template class HeadGradient<float>;
extern template class HeadGradient<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_HEAD_GRADIENT_H_

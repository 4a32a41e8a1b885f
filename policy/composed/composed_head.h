// The head of a language model in LibTorch's operators: log-probs of scored tokens and their
// gradient, for a chunk of rows at a time, so that nothing has the size rows × vocabulary. Logits
// are computed again for the gradient, with the normalisers kept from the forward pass. Internal to
// policy/composed/.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_HEAD_H_
#define TPO_POLICY_COMPOSED_COMPOSED_HEAD_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "policy/language_model/language_model.h"

namespace tpo {

// Scored tokens by the row that they follow.
class ScoredTokens {
 public:
  ScoredTokens() = default;
  // In any order.
  ScoredTokens(absl::Span<const ScoredRow> scored, at::Device device);

  // The rows that are scored, each once [S], int64 on the device.
  const at::Tensor& rows() const { return rows_; }
  // Entries are counted by row; their tokens and their rows' places in rows() [E].
  const at::Tensor& tokens() const { return tokens_; }
  const at::Tensor& places() const { return places_; }
  // The first entry of a place, or of what would follow the last.
  int64_t first_entry(int64_t place) const { return begins_[place]; }
  // The entry of scored[e] is entries()[e] and the other way round.
  at::Tensor FromGivenOrder(absl::Span<const double> values) const;
  void ToGivenOrder(const at::Tensor& values, absl::Span<double> out) const;

 private:
  std::vector<int32_t> order_;
  std::vector<int64_t> begins_;
  at::Tensor rows_;
  at::Tensor tokens_;
  at::Tensor places_;
};

// Float32 logits of `hidden` [rows, hidden] and `head` [vocabulary, hidden], both of one type. Not
// rounded to bfloat16 on the way, except on the CPU, where LibTorch has no such product.
at::Tensor HeadLogits(const at::Tensor& hidden, const at::Tensor& head);

class ComposedHead {
 public:
  // `rows_at_a_time`: 0: by the size of the vocabulary.
  explicit ComposedHead(int rows_at_a_time) : rows_at_a_time_(rows_at_a_time) {}

  // Entropies, in nats, of the distributions of the last Forward's entries [E], float64.
  const at::Tensor& entropies() const { return entropies_; }

  // Log-probs [E], float64, after `hidden` [S, hidden] through the matrix `head` [vocabulary,
  // hidden]; keeps what Backward needs. The temperature counts as a float.
  at::Tensor Forward(const ScoredTokens& scored, const at::Tensor& hidden, const at::Tensor& head,
                     double temperature);
  // Of Σ coefficients · log-probs, coefficients [E]: returns the gradient of `hidden`, and adds
  // that of `head` to `head_gradient`, float32, unless it is undefined.
  at::Tensor Backward(const ScoredTokens& scored, const at::Tensor& hidden, const at::Tensor& head,
                      const at::Tensor& coefficients, at::Tensor head_gradient) const;

 private:
  int64_t RowsAtATime(const at::Tensor& head) const;

  const int rows_at_a_time_;
  double inverse_temperature_ = 1.0;
  at::Tensor maxima_;    // [S, 1]
  at::Tensor log_sums_;  // [S, 1]
  at::Tensor entropies_;
};

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_HEAD_H_

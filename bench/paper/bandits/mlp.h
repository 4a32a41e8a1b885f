// A network of fully connected layers with ReLU between them, for the neural bandit: forward,
// backward and Adam, on one thread.
//
// Written out rather than on LibTorch: with layers of 50 the work is one product of 100 x 784 by
// 784 x 50 and its counterpart backward, whose left-hand sides, images, are mostly zeros, which the
// loops leave out. Thread rule: one thread at a time.
#ifndef TPO_BENCH_PAPER_BANDITS_MLP_H_
#define TPO_BENCH_PAPER_BANDITS_MLP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "bench/paper/bandits/loops.h"

namespace tpo {

// Images as a layer's input, with what of them is zero.
template <typename T>
class ImageBatch {
 public:
  explicit ImageBatch(int pixels) : pixels_(pixels) {}

  // Takes the images at `indices` out of [count, pixels] bytes, divided by 255. Without
  // `for_training` it is fit for forward passes only.
  void Load(absl::Span<const uint8_t> images, absl::Span<const int> indices, bool for_training);

  int rows() const { return rows_; }
  int pixels() const { return pixels_; }
  const T* values() const { return values_.data(); }
  // For images · weights: per tile of rows, the pixels that are not zero in all of them.
  const TileTerms* forward_terms() const { return forward_terms_.data(); }
  // For imagesᵀ · gradient: per tile of pixels, the images in which one of them is not zero.
  const TileTerms* backward_terms() const { return backward_terms_.data(); }

 private:
  void FindForwardTerms();
  void FindBackwardTerms();

  const int pixels_;
  int rows_ = 0;
  std::vector<uint8_t> bytes_;  // [rows, pixels], then some zeros
  std::vector<T> values_;       // [rows, pixels]
  std::vector<int32_t> forward_indices_;
  std::vector<int32_t> backward_indices_;
  std::vector<TileTerms> forward_terms_;
  std::vector<TileTerms> backward_terms_;
};

// T: float for training, double for tests.
template <typename T>
class Mlp {
 public:
  // `widths`: inputs, hidden layers, outputs. Weights are LeCun truncated normal numbers, pure
  // functions of `seed`; biases are 0. REQUIRES: at least two widths.
  Mlp(const std::vector<int>& widths, uint64_t seed);

  // The logits, [rows, logit_stride()], of which the first widths.back() columns count. Valid until
  // the next call.
  const T* Forward(const ImageBatch<T>& batch);
  int64_t logit_stride() const { return layers_.back().columns; }

  // Fills the gradient from that of the logits, [rows, logit_stride()], zero in the columns that
  // don't count. REQUIRES: Forward on the same batch, loaded for training, was called last.
  void Backward(const ImageBatch<T>& batch, const T* logit_gradient);

  // One step of Adam with beta 0.9 and 0.999, epsilon 1e-8.
  void AdamStep(double rate);

  // All parameters: per layer the weights [inputs, columns], then the bias [columns]. Columns from
  // the layer's width up to the next multiple of kColumnUnit are zero, and stay so.
  absl::Span<T> parameters() { return absl::MakeSpan(parameters_); }
  absl::Span<const T> gradient() const { return gradient_; }

 private:
  struct Layer {
    int64_t inputs = 0;
    int64_t width = 0;
    int64_t columns = 0;  // width, rounded up to kColumnUnit
    size_t weights = 0;   // where they start among the parameters
    size_t bias = 0;
    std::vector<T> output;         // [rows, columns]
    std::vector<T> gradient;       // of the output
    std::vector<T> transposed;     // weights, [width, columns of the layer before]
    std::vector<int32_t> indices;  // 0, 1, 2, …
  };

  void Initialize(Layer& layer, size_t index, uint64_t seed);
  void BackwardThrough(size_t index, int64_t rows);

  const LayerLoops<T>& loops_;
  std::vector<Layer> layers_;
  std::vector<T> parameters_;
  std::vector<T> gradient_;
  std::vector<T> first_moment_;
  std::vector<T> second_moment_;
  int64_t steps_ = 0;
  std::vector<TileTerms> dense_terms_;
};

extern template class ImageBatch<float>;
extern template class ImageBatch<double>;
extern template class Mlp<float>;
extern template class Mlp<double>;

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_MLP_H_

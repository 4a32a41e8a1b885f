#include "bench/paper/bandits/mlp.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>

#include "bench/paper/bandits/random_draws.h"

namespace tpo {
namespace {

// Standard deviation of a standard normal number truncated at ±2.
constexpr double kTruncatedDeviation = 0.87962566103423978;

int64_t TilesOf(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }

}  // namespace

template <typename T>
void ImageBatch<T>::Load(absl::Span<const uint8_t> images, absl::Span<const int> indices,
                         bool for_training) {
  rows_ = static_cast<int>(indices.size());
  const auto pixels = static_cast<size_t>(pixels_);
  // A tile of pixels is read as one word, also at the end of the last row.
  bytes_.resize(indices.size() * pixels + sizeof(uint64_t), 0);
  values_.resize(indices.size() * pixels);
  for (size_t row = 0; row < indices.size(); ++row) {
    std::memcpy(bytes_.data() + row * pixels,
                images.data() + static_cast<size_t>(indices[row]) * pixels, pixels);
  }
  BestLayerLoops<T>().scale_bytes(bytes_.data(), static_cast<int64_t>(values_.size()),
                                  values_.data());
  FindForwardTerms();
  if (for_training) FindBackwardTerms();
}

template <typename T>
void ImageBatch<T>::FindForwardTerms() {
  const int64_t tiles = TilesOf(rows_);
  forward_terms_.resize(static_cast<size_t>(tiles));
  forward_indices_.resize(static_cast<size_t>(tiles * pixels_));
  std::vector<uint8_t> any(static_cast<size_t>(pixels_));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    std::fill(any.begin(), any.end(), uint8_t{0});
    const int64_t end = std::min<int64_t>(rows_, (tile + 1) * kTileRows);
    for (int64_t row = tile * kTileRows; row < end; ++row) {
      const uint8_t* bytes = bytes_.data() + row * pixels_;
      for (int pixel = 0; pixel < pixels_; ++pixel) any[pixel] |= bytes[pixel];
    }
    int32_t* indices = forward_indices_.data() + tile * pixels_;
    int64_t count = 0;
    for (int pixel = 0; pixel < pixels_; ++pixel) {
      indices[count] = pixel;
      count += any[pixel] != 0 ? 1 : 0;
    }
    forward_terms_[tile] = {indices, count};
  }
}

template <typename T>
void ImageBatch<T>::FindBackwardTerms() {
  static_assert(kTileRows <= sizeof(uint64_t));
  const int64_t tiles = TilesOf(pixels_);
  backward_terms_.resize(static_cast<size_t>(tiles));
  backward_indices_.resize(static_cast<size_t>(tiles * rows_));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = tile * kTileRows;
    const auto width = static_cast<size_t>(std::min<int64_t>(kTileRows, pixels_ - first));
    int32_t* indices = backward_indices_.data() + tile * rows_;
    int64_t count = 0;
    for (int row = 0; row < rows_; ++row) {
      uint64_t word = 0;
      uint64_t kept = 0;
      std::memcpy(&word, bytes_.data() + row * static_cast<int64_t>(pixels_) + first, sizeof(word));
      std::memset(&kept, 0xFF, width);
      indices[count] = row;
      count += (word & kept) != 0 ? 1 : 0;
    }
    backward_terms_[tile] = {indices, count};
  }
}

template <typename T>
Mlp<T>::Mlp(const std::vector<int>& widths, uint64_t seed) : loops_(BestLayerLoops<T>()) {
  assert(widths.size() >= 2);
  size_t size = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    Layer& layer = layers_.emplace_back();
    layer.inputs = widths[i];
    layer.width = widths[i + 1];
    layer.columns = (layer.width + kColumnUnit - 1) / kColumnUnit * kColumnUnit;
    layer.weights = size;
    layer.bias = size + static_cast<size_t>(layer.inputs * layer.columns);
    size = layer.bias + static_cast<size_t>(layer.columns);
  }
  parameters_.assign(size, T(0));
  gradient_.assign(size, T(0));
  first_moment_.assign(size, T(0));
  second_moment_.assign(size, T(0));
  for (size_t i = 0; i < layers_.size(); ++i) Initialize(layers_[i], i, seed);
}

template <typename T>
void Mlp<T>::Initialize(Layer& layer, size_t index, uint64_t seed) {
  const double scale = 1.0 / (std::sqrt(static_cast<double>(layer.inputs)) * kTruncatedDeviation);
  for (int64_t input = 0; input < layer.inputs; ++input) {
    T* row = parameters_.data() + layer.weights + input * layer.columns;
    for (int64_t column = 0; column < layer.width; ++column) {
      const auto position = static_cast<uint32_t>(input * layer.width + column);
      row[column] = static_cast<T>(scale * TruncatedNormalAt(seed, index, position));
    }
  }
}

template <typename T>
const T* Mlp<T>::Forward(const ImageBatch<T>& batch) {
  const int64_t rows = batch.rows();
  dense_terms_.resize(static_cast<size_t>(TilesOf(rows)));
  const T* input = batch.values();
  int64_t stride = batch.pixels();
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const TileTerms* terms = batch.forward_terms();
    if (i > 0) {
      layer.indices.resize(static_cast<size_t>(layer.inputs));
      std::iota(layer.indices.begin(), layer.indices.end(), 0);
      std::fill(dense_terms_.begin(), dense_terms_.end(),
                TileTerms{layer.indices.data(), layer.inputs});
      terms = dense_terms_.data();
    }
    layer.output.resize(static_cast<size_t>(rows * layer.columns));
    loops_.multiply(input, stride, 1, parameters_.data() + layer.weights,
                    parameters_.data() + layer.bias, rows, layer.columns, terms,
                    layer.output.data());
    if (i + 1 < layers_.size()) {
      loops_.relu(layer.output.data(), static_cast<int64_t>(layer.output.size()));
    }
    input = layer.output.data();
    stride = layer.columns;
  }
  return layers_.back().output.data();
}

template <typename T>
void Mlp<T>::Backward(const ImageBatch<T>& batch, const T* logit_gradient) {
  const int64_t rows = batch.rows();
  Layer& last = layers_.back();
  last.gradient.assign(logit_gradient, logit_gradient + rows * last.columns);
  for (size_t i = layers_.size(); i-- > 1;) BackwardThrough(i, rows);
  Layer& first = layers_.front();
  loops_.multiply(batch.values(), 1, batch.pixels(), first.gradient.data(), nullptr, first.inputs,
                  first.columns, batch.backward_terms(), gradient_.data() + first.weights);
  loops_.column_sums(first.gradient.data(), rows, first.columns, gradient_.data() + first.bias);
}

// The gradients of a layer's weights and bias and of its input, from that of its output.
template <typename T>
void Mlp<T>::BackwardThrough(size_t index, int64_t rows) {
  Layer& layer = layers_[index];
  Layer& before = layers_[index - 1];
  std::vector<int32_t> indices(static_cast<size_t>(std::max(rows, layer.width)));
  std::iota(indices.begin(), indices.end(), 0);

  // A term per row of the batch.
  std::vector<TileTerms> terms(static_cast<size_t>(TilesOf(std::max(rows, layer.inputs))),
                               TileTerms{indices.data(), rows});
  loops_.multiply(before.output.data(), 1, before.columns, layer.gradient.data(), nullptr,
                  layer.inputs, layer.columns, terms.data(), gradient_.data() + layer.weights);
  loops_.column_sums(layer.gradient.data(), rows, layer.columns, gradient_.data() + layer.bias);

  // A term per output of the layer.
  layer.transposed.assign(static_cast<size_t>(layer.width * before.columns), T(0));
  const T* weights = parameters_.data() + layer.weights;
  for (int64_t input = 0; input < layer.inputs; ++input) {
    for (int64_t output = 0; output < layer.width; ++output) {
      layer.transposed[output * before.columns + input] = weights[input * layer.columns + output];
    }
  }
  std::fill(terms.begin(), terms.end(), TileTerms{indices.data(), layer.width});
  before.gradient.resize(static_cast<size_t>(rows * before.columns));
  loops_.multiply(layer.gradient.data(), layer.columns, 1, layer.transposed.data(), nullptr, rows,
                  before.columns, terms.data(), before.gradient.data());
  loops_.relu_backward(before.output.data(), rows * before.columns, before.gradient.data());
}

template <typename T>
void Mlp<T>::AdamStep(double rate) {
  ++steps_;
  const auto steps = static_cast<double>(steps_);
  loops_.adam(gradient_.data(), static_cast<int64_t>(parameters_.size()), static_cast<T>(rate),
              static_cast<T>(1.0 / (1.0 - std::pow(0.9, steps))),
              static_cast<T>(1.0 / (1.0 - std::pow(0.999, steps))), first_moment_.data(),
              second_moment_.data(), parameters_.data());
}

template class ImageBatch<float>;
template class ImageBatch<double>;
template class Mlp<float>;
template class Mlp<double>;

}  // namespace tpo

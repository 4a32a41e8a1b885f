#include "bench/paper/bandits/mlp.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "bench/paper/bandits/neural_objective.h"
#include "core/counter_random.h"
#include "learner/objectives/objective_math.h"

namespace tpo {
namespace {

// 23 pixels and 15 rows, so that no tile is full at the end; two thirds of the pixels are zero.
constexpr int kPixels = 23;
constexpr int kRows = 15;
const std::vector<int> kWidths = {kPixels, 18, 17, 10};

std::vector<uint8_t> Images(int count) {
  std::vector<uint8_t> images(static_cast<size_t>(count) * kPixels, 0);
  for (size_t i = 0; i < images.size(); ++i) {
    const double uniform = UniformAt(9, RandomStream::kPrompt, i, 0, 0);
    if (uniform > 0.67) images[i] = static_cast<uint8_t>(256.0 * (uniform - 0.67) / 0.33);
  }
  // A row and a tile of columns without anything.
  std::fill_n(images.begin() + 4 * kPixels, kPixels, uint8_t{0});
  for (int row = 0; row < count; ++row) {
    std::fill_n(images.begin() + row * kPixels + 6, 6, uint8_t{0});
  }
  return images;
}

template <typename T>
ImageBatch<T> Batch() {
  ImageBatch<T> batch(kPixels);
  std::vector<int> indices(kRows);
  std::iota(indices.begin(), indices.end(), 0);
  batch.Load(Images(kRows), indices, /*for_training=*/true);
  return batch;
}

// The network as one would write it down, with the parameters as the class lays them out.
std::vector<double> PlainForward(absl::Span<const double> parameters,
                                 const std::vector<double>& images) {
  std::vector<double> input = images;
  size_t at = 0;
  for (size_t layer = 0; layer + 1 < kWidths.size(); ++layer) {
    const int inputs = kWidths[layer];
    const int outputs = kWidths[layer + 1];
    const int64_t columns = (outputs + kColumnUnit - 1) / kColumnUnit * kColumnUnit;
    std::vector<double> output(static_cast<size_t>(kRows) * outputs);
    for (int row = 0; row < kRows; ++row) {
      for (int j = 0; j < outputs; ++j) {
        double sum = parameters[at + static_cast<size_t>(inputs * columns + j)];
        for (int i = 0; i < inputs; ++i) {
          sum += input[row * inputs + i] * parameters[at + static_cast<size_t>(i * columns + j)];
        }
        output[row * outputs + j] = layer + 2 < kWidths.size() ? std::max(sum, 0.0) : sum;
      }
    }
    at += static_cast<size_t>((inputs + 1) * columns);
    input = output;
  }
  return input;
}

// Biases other than 0, so that they are seen, and no unit is at ReLU's kink for the empty image.
template <typename T>
void PerturbBiases(Mlp<T>& network) {
  size_t at = 0;
  for (size_t layer = 0; layer + 1 < kWidths.size(); ++layer) {
    const int64_t columns = (kWidths[layer + 1] + kColumnUnit - 1) / kColumnUnit * kColumnUnit;
    at += static_cast<size_t>(kWidths[layer] * columns);
    for (int j = 0; j < kWidths[layer + 1]; ++j) {
      network.parameters()[at + static_cast<size_t>(j)] = static_cast<T>(0.01 * (j % 7) - 0.025);
    }
    at += static_cast<size_t>(columns);
  }
}

std::vector<double> Compact(const double* logits, int64_t stride) {
  std::vector<double> compact;
  for (int row = 0; row < kRows; ++row) {
    compact.insert(compact.end(), logits + row * stride, logits + row * stride + 10);
  }
  return compact;
}

TEST(ImageBatchTest, TakesImagesByIndexAndScalesThem) {
  ImageBatch<float> batch(2);
  batch.Load({{0, 255, 51, 102, 7, 8}}, {{1, 0, 1}}, /*for_training=*/false);
  ASSERT_EQ(batch.rows(), 3);
  const std::vector<float> values(batch.values(), batch.values() + 6);
  EXPECT_EQ(values, (std::vector<float>{0.2F, 0.4F, 0.0F, 1.0F, 0.2F, 0.4F}));
}

TEST(MlpTest, ForwardIsThePlainNetwork) {
  const ImageBatch<double> batch = Batch<double>();
  Mlp<double> network(kWidths, 1);
  PerturbBiases(network);
  const std::vector<double> images(batch.values(), batch.values() + kRows * kPixels);
  const std::vector<double> expected = PlainForward(network.parameters(), images);
  const double* logits = network.Forward(batch);
  const std::vector<double> found = Compact(logits, network.logit_stride());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-13) << i;
}

TEST(MlpTest, SinglePrecisionFollowsDoublePrecision) {
  const ImageBatch<double> batch = Batch<double>();
  const ImageBatch<float> float_batch = Batch<float>();
  Mlp<double> network(kWidths, 1);
  Mlp<float> float_network(kWidths, 1);
  const double* logits = network.Forward(batch);
  const float* float_logits = float_network.Forward(float_batch);
  for (int row = 0; row < kRows; ++row) {
    for (int i = 0; i < 10; ++i) {
      const int64_t at = row * network.logit_stride() + i;
      EXPECT_NEAR(float_logits[at], logits[at], 1e-6);
    }
  }
}

TEST(MlpTest, EveryInstructionSetMultipliesAlike) {
  const ImageBatch<float> batch = Batch<float>();
  std::vector<float> weights(kPixels * 80);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 13) - 6.0F;
  std::vector<float> expected(kRows * 80, 0.0F);
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kPixels; ++k) {
      for (int j = 0; j < 80; ++j) {
        expected[row * 80 + j] += batch.values()[row * kPixels + k] * weights[k * 80 + j];
      }
    }
  }
  for (const LayerLoops<float>* loops :
       {&bandit_loops_baseline::kFloatLoops, &BestLayerLoops<float>()}) {
    std::vector<float> product(expected.size(), -1.0F);
    loops->multiply(batch.values(), kPixels, 1, weights.data(), nullptr, kRows, 80,
                    batch.forward_terms(), product.data());
    for (size_t i = 0; i < product.size(); ++i) EXPECT_NEAR(product[i], expected[i], 1e-4) << i;
  }
}

TEST(MlpTest, GradientsOfAllMethodsAreThoseOfFiniteDifferences) {
  const ImageBatch<double> batch = Batch<double>();
  std::vector<int> actions(kRows);
  std::vector<double> rewards(kRows);
  for (int row = 0; row < kRows; ++row) {
    actions[row] = (3 * row) % 10;
    rewards[row] = row % 4 == 0 ? 1.0 : 0.0;
  }
  for (const BanditMethod method : MethodsOf(BanditStudy::kNeural)) {
    Mlp<double> network(kWidths, 2);
    PerturbBiases(network);
    const auto log_probs = [&] {
      const double* logits = network.Forward(batch);
      std::vector<double> rows = Compact(logits, network.logit_stride());
      for (int row = 0; row < kRows; ++row) {
        LogSoftmaxInPlace(absl::MakeSpan(rows).subspan(static_cast<size_t>(row) * 10, 10));
      }
      return rows;
    };
    const std::vector<double> frozen = log_probs();
    std::vector<double> gradient(frozen.size());
    EvaluateBandit(
        method,
        {.rows = kRows, .classes = 10, .log_probs = frozen, .actions = actions, .rewards = rewards},
        absl::MakeSpan(gradient));
    // Each row's gradient g sums to 0, so Σ g · log π has the gradient g with respect to the
    // logits.
    const auto surrogate = [&] {
      const std::vector<double> now = log_probs();
      return std::inner_product(now.begin(), now.end(), gradient.begin(), 0.0);
    };
    std::vector<double> padded(static_cast<size_t>(kRows * network.logit_stride()), 0.0);
    for (int row = 0; row < kRows; ++row) {
      std::copy_n(gradient.begin() + row * 10, 10, padded.begin() + row * network.logit_stride());
    }
    network.Forward(batch);
    network.Backward(batch, padded.data());
    const std::vector<double> found(network.gradient().begin(), network.gradient().end());
    double largest = 0.0;
    for (size_t i = 0; i < found.size(); i += 5) {
      constexpr double kStep = 1e-6;
      const double value = network.parameters()[i];
      network.parameters()[i] = value + kStep;
      const double above = surrogate();
      network.parameters()[i] = value - kStep;
      const double below = surrogate();
      network.parameters()[i] = value;
      // Columns beyond a layer's width feed nothing.
      EXPECT_NEAR(found[i], (above - below) / (2 * kStep), 1e-8)
          << MethodName(method) << " parameter " << i;
      largest = std::max(largest, std::abs(found[i]));
    }
    EXPECT_GT(largest, 1e-4) << MethodName(method);
  }
}

TEST(MlpTest, AdamStepsAreTheTextbooks) {
  const ImageBatch<double> batch = Batch<double>();
  Mlp<double> network(kWidths, 3);
  std::vector<double> expected(network.parameters().begin(), network.parameters().end());
  std::vector<double> first(expected.size(), 0.0);
  std::vector<double> second(expected.size(), 0.0);
  for (int step = 1; step <= 3; ++step) {
    network.Forward(batch);
    std::vector<double> logit_gradient(static_cast<size_t>(kRows * network.logit_stride()), 0.0);
    for (int row = 0; row < kRows; ++row) {
      logit_gradient[row * network.logit_stride() + row % 10] = 0.1 * step;
    }
    network.Backward(batch, logit_gradient.data());
    network.AdamStep(1e-3);
    for (size_t i = 0; i < expected.size(); ++i) {
      const double g = network.gradient()[i];
      first[i] = 0.9 * first[i] + 0.1 * g;
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      const double mean = first[i] / (1.0 - std::pow(0.9, step));
      const double square = second[i] / (1.0 - std::pow(0.999, step));
      expected[i] -= 1e-3 * mean / (std::sqrt(square) + 1e-8);
      ASSERT_NEAR(network.parameters()[i], expected[i], 1e-13) << "step " << step << " at " << i;
    }
  }
}

TEST(MlpTest, WeightsStartAsTruncatedNormalNumbersOfTheFanIn) {
  Mlp<float> network({400, 32, 10}, 4);
  const absl::Span<const float> weights = network.parameters().subspan(0, 400 * 32);
  double squares = 0.0;
  float largest = 0.0F;
  for (const float weight : weights) {
    squares += weight * weight;
    largest = std::max(largest, std::abs(weight));
  }
  EXPECT_NEAR(std::sqrt(squares / 12800.0), 1.0 / 20.0, 0.05 / 20.0);
  EXPECT_LE(largest, 2.0F / 20.0F / 0.8796F + 1e-6F);
  const absl::Span<const float> bias = network.parameters().subspan(400 * 32, 32);
  EXPECT_TRUE(std::all_of(bias.begin(), bias.end(), [](float value) { return value == 0.0F; }));
}

}  // namespace
}  // namespace tpo

#include "bench/paper/bandits/neural.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/types/span.h"
#include "bench/paper/bandits/mlp.h"
#include "bench/paper/bandits/neural_objective.h"
#include "bench/paper/bandits/random_draws.h"
#include "core/counter_random.h"
#include "learner/objectives/objective_math.h"

namespace tpo {
namespace {

// Images of a forward pass over the test set: enough to fill tiles, few enough to stay in the
// cache.
constexpr int kTestChunk = 120;

std::vector<int> Widths(const NeuralSettings& settings, int pixels) {
  std::vector<int> widths = {pixels};
  widths.insert(widths.end(), settings.hidden.begin(), settings.hidden.end());
  widths.push_back(kImageClasses);
  return widths;
}

// The log-probs of one row of logits.
void LogProbs(const float* logits, absl::Span<double> log_probs) {
  std::copy(logits, logits + log_probs.size(), log_probs.begin());
  LogSoftmaxInPlace(log_probs);
}

class NeuralRun {
 public:
  NeuralRun(BanditMethod method, const NeuralSettings& settings, const ImageDataset& dataset,
            uint64_t seed)
      : method_(method),
        settings_(settings),
        dataset_(dataset),
        seed_(seed),
        network_(Widths(settings, dataset.train.pixels), seed),
        batch_(dataset.train.pixels),
        test_batch_(dataset.train.pixels),
        indices_(static_cast<size_t>(settings.batch)),
        actions_(static_cast<size_t>(settings.batch)),
        rewards_(static_cast<size_t>(settings.batch)),
        log_probs_(static_cast<size_t>(settings.batch) * kImageClasses),
        gradient_(log_probs_.size()),
        logit_gradient_(static_cast<size_t>(settings.batch * network_.logit_stride()), 0.0F) {}

  void Step(int step) {
    DrawImages(step);
    const float* logits = network_.Forward(batch_);
    Act(logits, step);
    EvaluateBandit(method_,
                   {.rows = settings_.batch,
                    .classes = kImageClasses,
                    .log_probs = log_probs_,
                    .actions = actions_,
                    .rewards = rewards_},
                   absl::MakeSpan(gradient_));
    for (int row = 0; row < settings_.batch; ++row) {
      for (int i = 0; i < kImageClasses; ++i) {
        logit_gradient_[row * network_.logit_stride() + i] =
            static_cast<float>(gradient_[row * kImageClasses + i]);
      }
    }
    network_.Backward(batch_, logit_gradient_.data());
    network_.AdamStep(settings_.learning_rate);
  }

  void Test(NeuralCurves& curves) {
    int mistakes = 0;
    ConcentrationMeans sums{};
    std::vector<int> indices;
    for (int first = 0; first < dataset_.test.count; first += kTestChunk) {
      indices.resize(static_cast<size_t>(std::min(kTestChunk, dataset_.test.count - first)));
      std::iota(indices.begin(), indices.end(), first);
      test_batch_.Load(dataset_.test.images, indices, /*for_training=*/false);
      const float* logits = network_.Forward(test_batch_);
      for (const int index : indices) {
        const float* row = logits + (index - first) * network_.logit_stride();
        const int label = dataset_.test.labels[index];
        if (std::max_element(row, row + kImageClasses) - row == label) continue;
        ++mistakes;
        AddMistake(row, label, sums);
      }
    }
    curves.error.push_back(static_cast<double>(mistakes) / dataset_.test.count);
    if (!HasWrongClassGain(method_)) return;
    FinishMeans(sums);
    curves.concentration.push_back(sums);
  }

 private:
  void DrawImages(int step) {
    for (size_t row = 0; row < indices_.size(); ++row) {
      indices_[row] =
          static_cast<int>(UniformAt(seed_, RandomStream::kPrompt, static_cast<uint64_t>(step), 0,
                                     static_cast<uint32_t>(row)) *
                           dataset_.train.count);
    }
    batch_.Load(dataset_.train.images, indices_, /*for_training=*/true);
  }

  // Draws a class for each image of the batch, and sees whether it is the right one.
  void Act(const float* logits, int step) {
    double cumulative[kImageClasses];
    for (size_t row = 0; row < indices_.size(); ++row) {
      const auto log_probs = absl::MakeSpan(log_probs_).subspan(row * kImageClasses, kImageClasses);
      LogProbs(logits + static_cast<int64_t>(row) * network_.logit_stride(), log_probs);
      double sum = 0.0;
      for (int i = 0; i < kImageClasses; ++i) cumulative[i] = sum += std::exp(log_probs[i]);
      const double uniform = UniformAt(seed_, RandomStream::kCompletion,
                                       static_cast<uint64_t>(step), static_cast<uint32_t>(row), 0);
      actions_[row] = ArmAt(cumulative, uniform);
      rewards_[row] = actions_[row] == dataset_.train.labels[indices_[row]] ? 1.0 : 0.0;
    }
  }

  void AddMistake(const float* logits, int label, ConcentrationMeans& sums) const {
    if (!HasWrongClassGain(method_)) return;
    double policy[kImageClasses];
    LogProbs(logits, absl::MakeSpan(policy));
    for (double& value : policy) value = std::exp(value);
    AddToSums(GainOf(method_, policy, label), ConcentrationBin(policy, label), sums);
  }

  const BanditMethod method_;
  const NeuralSettings& settings_;
  const ImageDataset& dataset_;
  const uint64_t seed_;
  Mlp<float> network_;
  ImageBatch<float> batch_;
  ImageBatch<float> test_batch_;
  std::vector<int> indices_;
  std::vector<int> actions_;
  std::vector<double> rewards_;
  std::vector<double> log_probs_;
  std::vector<double> gradient_;
  std::vector<float> logit_gradient_;
};

}  // namespace

NeuralCurves RunNeuralBandit(BanditMethod method, const NeuralSettings& settings,
                             const ImageDataset& dataset, uint64_t seed) {
  NeuralRun run(method, settings, dataset, seed);
  NeuralCurves curves;
  for (int step = 1; step <= settings.steps; ++step) {
    run.Step(step);
    if (step % settings.test_every == 0) run.Test(curves);
  }
  return curves;
}

}  // namespace tpo

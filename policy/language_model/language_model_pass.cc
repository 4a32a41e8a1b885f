#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "policy/language_model/cpu_language_model.h"
#include "policy/language_model/forward_layers.h"
#include "policy/language_model/log_normaliser.h"

namespace tpo {
namespace {

template <typename T>
class PassOf : public LanguageModelPass {
 public:
  PassOf(std::shared_ptr<const CpuLanguageModel> model, ThreadTeam* team)
      : model_(std::move(model)),
        config_(model_->config()),
        weights_(model_->weights<T>()),
        team_(team),
        layers_(config_, model_->loops(), weights_, team),
        logits_(config_.vocab_size),
        block_sums_(team->size()) {}

  absl::Span<float> Forward(absl::Span<const LanguageModelRow> rows, absl::Span<const int> wanted,
                            PagePool& cache) override {
    layers_.Begin(rows, &static_cast<KeyValueCache&>(cache));
    logits_.Resize(static_cast<int64_t>(wanted.size()));
    team_->Run([&](int thread) {
      ForwardAll(thread);
      ComputeLogits(thread, wanted);
    });
    return {logits_.data(), static_cast<size_t>(logits_.stride()) * wanted.size()};
  }

  int64_t logits_stride() const override { return logits_.stride(); }

  void Score(absl::Span<const LanguageModelRow> rows, absl::Span<const ScoredRow> scored,
             double temperature, PagePool& cache, absl::Span<double> log_probs) override {
    layers_.Begin(rows, &static_cast<KeyValueCache&>(cache));
    // The rows that are scored, each once, and where its entries begin.
    std::vector<int> scored_rows;
    std::vector<size_t> begins;
    for (size_t e = 0; e < scored.size(); ++e) {
      if (e > 0 && scored[e].row == scored[e - 1].row) continue;
      scored_rows.push_back(scored[e].row);
      begins.push_back(e);
    }
    begins.push_back(scored.size());
    logits_.Resize(std::min<int64_t>(static_cast<int64_t>(scored_rows.size()), kScoredAtATime));
    team_->Run([&](int thread) {
      ForwardAll(thread);
      const int count = static_cast<int>(scored_rows.size());
      for (int first = 0; first < count; first += kScoredAtATime) {
        const auto chunk = absl::MakeConstSpan(scored_rows).subspan(first, kScoredAtATime);
        ComputeLogits(thread, chunk);
        team_->Barrier();
        const auto [begin, end] = team_->Part(thread, static_cast<int>(chunk.size()));
        for (int i = begin; i < end; ++i) {
          const float* const logits = logits_.row(i);
          const LogNormaliser normaliser =
              MakeLogNormaliser(model_->loops(), {logits, static_cast<size_t>(config_.vocab_size)},
                                1.0 / temperature, &block_sums_[thread]);
          for (size_t e = begins[first + i]; e < begins[first + i + 1]; ++e)
            log_probs[e] = normaliser.LogProb(logits[scored[e].token]);
        }
        team_->Barrier();
      }
    });
  }

 private:
  // All that one thread does; the threads meet wherever one needs what another has computed.
  void ForwardAll(int thread) {
    layers_.Embed(thread);
    for (int layer = 0; layer < config_.layers; ++layer) {
      layers_.Attend(thread, layer, layer);
      layers_.FeedForward(thread, layer);
    }
  }

  // Logits of the wanted rows, which move to the front of the normalised ones.
  void ComputeLogits(int thread, absl::Span<const int> wanted) {
    const int count = static_cast<int>(wanted.size());
    const auto [first, last] = team_->Part(thread, count);
    for (int i = first; i < last; ++i) layers_.Normalise(weights_.final_norm, wanted[i], i);
    team_->Barrier();
    if (count == 0) return;
    Product product;
    product.rows = layers_.normalised().data();
    product.row_stride = layers_.normalised().stride();
    product.row_count = count;
    product.out = logits_.data();
    product.out_stride = logits_.stride();
    layers_.MultiplyPart(thread, weights_.head(), product);
  }

  const std::shared_ptr<const CpuLanguageModel> model_;
  const LanguageModelConfig& config_;
  const LanguageModelWeights<T>& weights_;
  ThreadTeam* const team_;
  ForwardLayers<T> layers_;
  Rows<float> logits_;
  std::vector<std::vector<float>> block_sums_;  // by thread
};

}  // namespace

std::unique_ptr<LanguageModelPass> CpuLanguageModel::NewPass(ThreadTeam* team) const {
  auto self = std::static_pointer_cast<const CpuLanguageModel>(shared_from_this());
  if (bfloat16()) return std::make_unique<PassOf<uint16_t>>(std::move(self), team);
  return std::make_unique<PassOf<float>>(std::move(self), team);
}

}  // namespace tpo

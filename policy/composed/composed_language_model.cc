#include "policy/composed/composed_language_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include <c10/core/InferenceMode.h>

#include "policy/composed/composed_generation.h"
#include "policy/composed/composed_head.h"

namespace tpo {
namespace {

class ComposedModel : public LanguageModel {
 public:
  ComposedModel(const LanguageModelConfig& config, const TensorSource& source, bool bfloat16,
                at::Device device)
      : LanguageModel(config),
        bfloat16_(bfloat16),
        weights_(LoadComposedWeights(this->config(), source, bfloat16, device)) {}

  bool bfloat16() const override { return bfloat16_; }
  const LanguageLoops& loops() const override { return BestLanguageLoops(); }
  std::string description() const override {
    return DescribeComposed(config(), bfloat16_, weights_.embedding.device());
  }
  // An embedding that isn't the head gives a row a token.
  size_t weight_bytes() const override {
    const int64_t embedding =
        config().tied_head ? 0 : int64_t{config().vocab_size} * config().hidden_size;
    return static_cast<size_t>(CountParameters(config()) - embedding) * (bfloat16_ ? 2 : 4);
  }
  std::unique_ptr<PagePool> NewCache(uint64_t bytes) const override {
    const uint64_t pages = bytes / ComposedCache::PageBytes(config(), bfloat16_);
    return std::make_unique<ComposedCache>(config(),
                                           static_cast<int>(std::min<uint64_t>(pages, 1 << 26)),
                                           weights_.embedding.options());
  }

  const ComposedWeights& weights() const { return weights_; }

 private:
  std::unique_ptr<LanguageModelPass> NewPass(ThreadTeam* team) const override;

  const bool bfloat16_;
  const ComposedWeights weights_;
};

class ComposedPass : public LanguageModelPass {
 public:
  explicit ComposedPass(std::shared_ptr<const ComposedModel> model)
      : model_(std::move(model)), generation_(&model_->config(), &model_->weights()) {}

  absl::Span<float> Forward(absl::Span<const LanguageModelRow> rows, absl::Span<const int> wanted,
                            PagePool& cache) override {
    return generation_.Logits(rows, wanted, cache);
  }

  int64_t logits_stride() const override { return model_->config().vocab_size; }

  void Score(absl::Span<const LanguageModelRow> rows, absl::Span<const ScoredRow> scored,
             double temperature, PagePool& cache, absl::Span<double> log_probs) override {
    const c10::InferenceMode inference;
    const ScoredTokens tokens(scored, generation_.device());
    ComposedHead head(kScoredAtATime);
    tokens.ToGivenOrder(head.Forward(tokens, generation_.Hidden(rows, tokens.rows(), cache),
                                     model_->weights().head, temperature),
                        log_probs);
  }

 private:
  const std::shared_ptr<const ComposedModel> model_;
  ComposedGeneration generation_;
};

std::unique_ptr<LanguageModelPass> ComposedModel::NewPass(ThreadTeam*) const {
  return std::make_unique<ComposedPass>(
      std::static_pointer_cast<const ComposedModel>(shared_from_this()));
}

}  // namespace

std::shared_ptr<const LanguageModel> MakeComposedLanguageModel(const LanguageModelConfig& config,
                                                               const TensorSource& source,
                                                               bool bfloat16, c10::Device device) {
  return std::make_shared<const ComposedModel>(config, source, bfloat16, device);
}

LanguageModelFactory LanguageModelFactoryFor(c10::Device device, bool composed) {
  if (composed || !device.is_cpu()) {
    return [device](const LanguageModelConfig& config, const TensorSource& source, bool bfloat16) {
      return MakeComposedLanguageModel(config, source, bfloat16, device);
    };
  }
  return [](const LanguageModelConfig& config, const TensorSource& source, bool bfloat16) {
    return LanguageModel::Create(config, source, bfloat16);
  };
}

}  // namespace tpo

#include "policy/language_model/trainable_language_model.h"

#include <tuple>

#include "policy/language_model/training_pass.h"

namespace tpo {
namespace {

template <typename T>
class TrainableOf : public TrainableLanguageModel {
 public:
  TrainableOf(const LanguageModelConfig& config, int threads, const std::optional<LoraSpec>& lora,
              const LanguageLoops& loops)
      : config_(config),
        lora_(lora),
        loops_(loops),
        team_(threads),
        pass_(config_, loops_, weights_, &team_),
        layers_(config_, loops_, weights_.forward, &team_),
        logits_(config_.vocab_size) {}

  void SetParameters(const ParameterSource& source) override {
    PackTrainingWeights<T>(config_, lora_.has_value() ? &*lora_ : nullptr, loops_, source, team_,
                           &weights_);
  }

  void Forward(const PrefixTree& tree, double temperature, KeptForward* kept) override {
    pass_.Forward(tree, temperature, kept);
  }

  void Backward(absl::Span<const double> coefficients, const KeptForward& kept,
                const GradientTarget& target) override {
    pass_.Backward(coefficients, kept, target);
  }

  absl::Span<const float> Logits(absl::Span<const LanguageModelRow> rows,
                                 KeyValueCache& cache) override {
    layers_.Begin(rows, &cache);
    logits_.Resize(static_cast<int64_t>(rows.size()));
    team_.Run([&](int thread) {
      layers_.Embed(thread);
      for (int layer = 0; layer < config_.layers; ++layer) {
        layers_.Attend(thread, layer, layer);
        layers_.FeedForward(thread, layer);
      }
      layers_.NormaliseOwn(thread, weights_.forward.final_norm);
      team_.Barrier();
      Product product;
      product.rows = layers_.normalised().data();
      product.row_stride = layers_.normalised().stride();
      product.row_count = layers_.row_count();
      product.out = logits_.data();
      product.out_stride = logits_.stride();
      layers_.MultiplyPart(thread, weights_.forward.head(), product);
    });
    return {logits_.data(), rows.size() * logits_.stride()};
  }

  ThreadTeam& team() override { return team_; }
  const LanguageLoops& loops() const override { return loops_; }
  size_t working_bytes() const override {
    return pass_.size_bytes() + layers_.size_bytes() + logits_.size_bytes();
  }

 private:
  const LanguageModelConfig config_;
  const std::optional<LoraSpec> lora_;
  const LanguageLoops& loops_;
  ThreadTeam team_;
  TrainingWeights<T> weights_;
  TrainingPass<T> pass_;
  ForwardLayers<T> layers_;  // of Logits
  Rows<float> logits_;
};

}  // namespace

std::unique_ptr<TrainableLanguageModel> TrainableLanguageModel::Create(
    const LanguageModelConfig& config, bool bfloat16, int threads,
    const std::optional<LoraSpec>& lora, const LanguageLoops* loops) {
  const LanguageLoops& chosen = loops != nullptr ? *loops : BestLanguageLoops();
  if (bfloat16) return std::make_unique<TrainableOf<uint16_t>>(config, threads, lora, chosen);
  return std::make_unique<TrainableOf<float>>(config, threads, lora, chosen);
}

}  // namespace tpo

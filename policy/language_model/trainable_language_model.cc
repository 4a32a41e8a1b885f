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
        pass_(config_, loops_, weights_, &team_) {}

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

  ThreadTeam& team() override { return team_; }
  const LanguageLoops& loops() const override { return loops_; }
  size_t working_bytes() const override { return pass_.size_bytes(); }

 private:
  const LanguageModelConfig config_;
  const std::optional<LoraSpec> lora_;
  const LanguageLoops& loops_;
  ThreadTeam team_;
  TrainingWeights<T> weights_;
  TrainingPass<T> pass_;
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

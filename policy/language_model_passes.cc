#include "policy/language_model_passes.h"

#include <map>
#include <string>
#include <utility>

#include <ATen/ATen.h>

namespace tpo {
namespace {

class Pass : public TreePass {
 public:
  Pass(TrainableLanguageModel* model, std::vector<std::string> names)
      : model_(model), names_(std::move(names)) {}

  absl::Span<const double> Forward(const PrefixTree& tree, double temperature) override {
    model_->Forward(tree, temperature, &kept_);
    return kept_.log_probs;
  }

  absl::Span<const double> Entropies() override { return kept_.entropies; }

  void Backward(absl::Span<const double> coefficients,
                std::vector<at::Tensor>& gradients) override {
    std::map<std::string, float*> target_of;
    for (size_t i = 0; i < gradients.size(); ++i) {
      TORCH_CHECK(gradients[i].is_contiguous() && gradients[i].scalar_type() == at::kFloat,
                  "gradients are contiguous float32");
      target_of[names_[i]] = gradients[i].mutable_data_ptr<float>();
    }
    model_->Backward(coefficients, kept_, [&](const std::string& name) {
      const auto found = target_of.find(name);
      return found == target_of.end() ? nullptr : found->second;
    });
  }

  size_t size_bytes() const { return kept_.size_bytes(); }

 private:
  TrainableLanguageModel* const model_;
  const std::vector<std::string> names_;
  KeptForward kept_;
};

}  // namespace

std::unique_ptr<TreePass> NewLanguageModelTreePass(TrainableLanguageModel* model,
                                                   std::vector<std::string> names) {
  return std::make_unique<Pass>(model, std::move(names));
}

size_t KeptBytes(const TreePass& pass) { return static_cast<const Pass&>(pass).size_bytes(); }

}  // namespace tpo

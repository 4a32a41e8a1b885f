#include "policy/language_model_passes.h"

#include <map>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "policy/language_model/log_normaliser.h"

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

// A page for each row, so that paths may name any rows.
class Decoder : public TreeDecoder {
 public:
  Decoder(const LanguageModelConfig& config, bool bfloat16, TrainableLanguageModel* model)
      : config_(config), bfloat16_(bfloat16), model_(model) {}

  void Reset(int rows) override {
    if (cache_ == nullptr || cache_->pages() < rows) {
      cache_ = nullptr;
      cache_ = std::make_unique<KeyValueCache>(config_, bfloat16_, rows);
    }
    rows_ = 0;
  }

  absl::Span<const float> Extend(const TreeNodes& nodes, double temperature) override {
    std::vector<VisiblePages> visible;
    std::vector<size_t> begins;
    for (int node = 0; node < nodes.size(); ++node) {
      begins.push_back(visible.size());
      for (int p = 0; p <= nodes.positions[node]; ++p) visible.push_back({nodes.path(node) + p, 1});
    }
    std::vector<LanguageModelRow> rows;
    for (int node = 0; node < nodes.size(); ++node) {
      rows.push_back({nodes.tokens[node],
                      nodes.positions[node],
                      {&visible[begins[node]], static_cast<size_t>(nodes.positions[node]) + 1}});
    }
    const absl::Span<const float> logits = model_->Logits(rows, *cache_);
    rows_ += nodes.size();
    const size_t vocabulary = config_.vocab_size;
    const size_t stride = logits.size() / rows.size();
    log_probs_.resize(rows.size() * vocabulary);
    std::vector<float> block_sums;
    for (size_t row = 0; row < rows.size(); ++row) {
      const float* const values = logits.data() + row * stride;
      const LogNormaliser normaliser =
          MakeLogNormaliser(model_->loops(), {values, vocabulary},
                            1.0 / static_cast<float>(temperature), &block_sums);
      for (size_t token = 0; token < vocabulary; ++token)
        log_probs_[row * vocabulary + token] =
            static_cast<float>(normaliser.LogProb(values[token]));
    }
    return log_probs_;
  }

  int rows() const override { return rows_; }

 private:
  const LanguageModelConfig& config_;
  const bool bfloat16_;
  TrainableLanguageModel* const model_;
  std::unique_ptr<KeyValueCache> cache_;
  int rows_ = 0;
  std::vector<float> log_probs_;
};

}  // namespace

std::unique_ptr<TreePass> NewLanguageModelTreePass(TrainableLanguageModel* model,
                                                   std::vector<std::string> names) {
  return std::make_unique<Pass>(model, std::move(names));
}

size_t KeptBytes(const TreePass& pass) { return static_cast<const Pass&>(pass).size_bytes(); }

std::unique_ptr<TreeDecoder> NewLanguageModelDecoder(const LanguageModelConfig& config,
                                                     bool bfloat16, TrainableLanguageModel* model) {
  return std::make_unique<Decoder>(config, bfloat16, model);
}

}  // namespace tpo

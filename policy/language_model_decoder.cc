#include "policy/language_model_decoder.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "policy/language_model/log_normaliser.h"

namespace tpo {
namespace {

class Decoder : public TreeDecoder {
 public:
  Decoder(int vocabulary, const LanguageLoops& loops, NewPages new_pages, RowLogits logits)
      : vocabulary_(vocabulary),
        loops_(loops),
        new_pages_(std::move(new_pages)),
        logits_(std::move(logits)) {}

  void Reset(int rows) override {
    if (cache_ == nullptr || cache_->pages() < rows) {
      cache_ = nullptr;
      cache_ = new_pages_(rows);
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
    const absl::Span<const float> logits = logits_(rows, *cache_);
    rows_ += nodes.size();
    const size_t stride = logits.size() / rows.size();
    log_probs_.resize(rows.size() * vocabulary_);
    std::vector<float> block_sums;
    for (size_t row = 0; row < rows.size(); ++row) {
      const float* const values = logits.data() + row * stride;
      const LogNormaliser normaliser = MakeLogNormaliser(
          loops_, {values, vocabulary_}, 1.0 / static_cast<float>(temperature), &block_sums);
      for (size_t token = 0; token < vocabulary_; ++token)
        log_probs_[row * vocabulary_ + token] =
            static_cast<float>(normaliser.LogProb(values[token]));
    }
    return log_probs_;
  }

  int rows() const override { return rows_; }

 private:
  const size_t vocabulary_;
  const LanguageLoops& loops_;
  const NewPages new_pages_;
  const RowLogits logits_;
  std::unique_ptr<PagePool> cache_;
  int rows_ = 0;
  std::vector<float> log_probs_;
};

}  // namespace

std::unique_ptr<TreeDecoder> NewLanguageModelDecoder(int vocabulary, const LanguageLoops& loops,
                                                     NewPages new_pages, RowLogits logits) {
  return std::make_unique<Decoder>(vocabulary, loops, std::move(new_pages), std::move(logits));
}

}  // namespace tpo

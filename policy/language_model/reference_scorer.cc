#include "policy/language_model/reference_scorer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "policy/language_model/tree_layout.h"

namespace tpo {

ReferenceScorer::ReferenceScorer(std::shared_ptr<const LanguageModel> model, int threads)
    : model_(std::move(model)), team_(threads), pass_(LanguageModelPass::Create(model_, &team_)) {}

absl::Span<const double> ReferenceScorer::LogProbs(const PrefixTree& tree, double temperature) {
  const TreeLayout layout(tree.nodes);
  if (cache_ == nullptr || cache_->pages() < layout.pages()) {
    cache_ = nullptr;
    cache_ = std::make_unique<KeyValueCache>(model_->config(), model_->bfloat16(), layout.pages());
  }
  // A pass scores by row.
  std::vector<int32_t> order(tree.scored.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t left, int32_t right) {
    return tree.scored[left].node < tree.scored[right].node;
  });
  std::vector<ScoredRow> scored;
  for (const int32_t entry : order)
    scored.push_back({tree.scored[entry].node, tree.scored[entry].token});
  std::vector<double> by_row(scored.size());
  pass_->Score(layout.rows(), scored, static_cast<float>(temperature), *cache_,
               absl::MakeSpan(by_row));
  log_probs_.resize(by_row.size());
  for (size_t i = 0; i < order.size(); ++i) log_probs_[order[i]] = by_row[i];
  return log_probs_;
}

}  // namespace tpo

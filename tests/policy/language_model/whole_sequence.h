// Forwards one sequence with a cache of its own: the plainest use of a language model.
#ifndef TPO_TESTS_POLICY_LANGUAGE_MODEL_WHOLE_SEQUENCE_H_
#define TPO_TESTS_POLICY_LANGUAGE_MODEL_WHOLE_SEQUENCE_H_

#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "policy/language_model/language_model.h"

namespace tpo {

// Logits after each token, [tokens][vocabulary].
inline std::vector<std::vector<float>> LogitsOf(const std::shared_ptr<const LanguageModel>& model,
                                                const std::vector<TokenId>& tokens,
                                                int threads = 1) {
  const int count = static_cast<int>(tokens.size());
  ThreadTeam team(threads);
  const auto cache = model->NewCache(KeyValueCache::PageBytes(model->config(), model->bfloat16()) *
                                     static_cast<uint64_t>(KeyValueCache::PagesFor(count)));
  std::vector<int32_t> pages;
  while (cache->free_pages() > 0) pages.push_back(cache->Take());
  std::vector<VisiblePages> visible(count);
  std::vector<LanguageModelRow> rows;
  for (int i = 0; i < count; ++i) {
    visible[i] = {pages.data(), i + 1};
    rows.push_back({tokens[i], i, {&visible[i], 1}});
  }
  std::vector<int> wanted(count);
  std::iota(wanted.begin(), wanted.end(), 0);
  const auto pass = LanguageModelPass::Create(model, &team);
  const absl::Span<const float> logits = pass->Forward(rows, wanted, *cache);
  std::vector<std::vector<float>> result;
  for (int i = 0; i < count; ++i) {
    const float* const row = logits.data() + i * pass->logits_stride();
    result.emplace_back(row, row + model->config().vocab_size);
  }
  return result;
}

// Log-probs of all tokens from logits at a temperature.
inline std::vector<double> LogSoftmax(const std::vector<float>& logits, double temperature = 1.0) {
  double most = logits[0];
  for (const float logit : logits) most = std::max<double>(most, logit);
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp((logit - most) / temperature);
  std::vector<double> log_probs;
  for (const float logit : logits)
    log_probs.push_back((logit - most) / temperature - std::log(sum));
  return log_probs;
}

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_LANGUAGE_MODEL_WHOLE_SEQUENCE_H_

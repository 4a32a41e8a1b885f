#include "rollout/token_distribution.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "policy/language_model/log_normaliser.h"

namespace tpo {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

bool Cuts(const TokenSampling& sampling, int vocabulary) {
  return sampling.temperature != 0.0F && ((sampling.top_k > 0 && sampling.top_k < vocabulary) ||
                                          sampling.top_p < 1.0F || sampling.min_p > 0.0F);
}

}  // namespace

absl::Status CheckTokenSampling(const TokenSampling& sampling, int vocabulary) {
  const auto refuse = [](const char* name, auto value, const char* range) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", expected ", range));
  };
  if (!(sampling.temperature >= 0.0F && std::isfinite(sampling.temperature)))
    return refuse("temperature", sampling.temperature, "0 or more");
  if (sampling.top_k < 0) return refuse("top_k", sampling.top_k, "0 or more");
  if (!(sampling.top_p > 0.0F && sampling.top_p <= 1.0F))
    return refuse("top_p", sampling.top_p, "more than 0, at most 1");
  if (!(sampling.min_p >= 0.0F && sampling.min_p <= 1.0F))
    return refuse("min_p", sampling.min_p, "0 to 1");
  for (const TokenId token : sampling.banned) {
    if (token < 0 || token >= vocabulary) return refuse("banned token", token, "a known token");
  }
  const std::set<TokenId> banned(sampling.banned.begin(), sampling.banned.end());
  if (static_cast<int>(banned.size()) >= vocabulary)
    return absl::InvalidArgumentError("all tokens are banned");
  return absl::OkStatus();
}

void TokenDistribution::MakeRoom(int vocabulary, const TokenSampling& sampling) {
  block_sums_.reserve((vocabulary + kSumBlock - 1) / kSumBlock);
  if (!Cuts(sampling, vocabulary)) return;
  candidates_.reserve(vocabulary);
  likeliest_.reserve(vocabulary);
}

void TokenDistribution::Reset(absl::Span<float> logits, const TokenSampling& sampling) {
  for (const TokenId token : sampling.banned) logits[token] = kNothing;
  logits_ = logits;
  greedy_ = sampling.temperature == 0.0F;
  inverse_temperature_ = greedy_ ? 1.0 : 1.0 / static_cast<double>(sampling.temperature);
  const LogNormaliser normaliser =
      MakeLogNormaliser(loops_, logits, inverse_temperature_, &block_sums_);
  maximum_ = normaliser.maximum;
  total_ = normaliser.total;
  cut_ = Cuts(sampling, static_cast<int>(logits.size()));
  if (cut_ && valid()) Cut(sampling);
}

// The sum leaves out what is no number: of logits that are all NaN, or of which one is ∞, nothing
// is left.
bool TokenDistribution::valid() const {
  return std::isfinite(maximum_) && std::isfinite(total_) && total_ > 0.0;
}

double TokenDistribution::Weight(float logit) const {
  return std::exp((static_cast<double>(logit) - maximum_) * inverse_temperature_);
}

void TokenDistribution::Cut(const TokenSampling& sampling) {
  float least = kNothing;
  if (sampling.top_k > 0 && sampling.top_k < static_cast<int>(logits_.size()))
    least = LogitOfRank(sampling.top_k);
  if (sampling.top_p < 1.0F) least = std::max(least, LogitOfNucleus(least, sampling.top_p));
  if (sampling.min_p > 0.0F) {
    const double ratio = std::log(static_cast<double>(sampling.min_p)) / inverse_temperature_;
    least = std::max(least, static_cast<float>(maximum_ + ratio));
  }
  least_ = std::min(least, maximum_);
  candidates_.clear();
  total_ = 0.0;
  for (size_t token = 0; token < logits_.size(); ++token) {
    if (!(logits_[token] >= least_) || logits_[token] == kNothing) continue;
    candidates_.push_back({logits_[token], static_cast<TokenId>(token)});
    total_ += Weight(logits_[token]);
  }
}

// The `rank`-th largest logit, from 1.
float TokenDistribution::LogitOfRank(int rank) {
  std::vector<float>& largest = likeliest_;  // a heap with the smallest in front
  largest.clear();
  largest.reserve(rank);
  for (const float logit : logits_) {
    if (std::isnan(logit)) continue;
    if (static_cast<int>(largest.size()) < rank) {
      largest.push_back(logit);
      std::push_heap(largest.begin(), largest.end(), std::greater<>());
    } else if (logit > largest.front()) {
      std::pop_heap(largest.begin(), largest.end(), std::greater<>());
      largest.back() = logit;
      std::push_heap(largest.begin(), largest.end(), std::greater<>());
    }
  }
  return largest.front();
}

// The smallest logit of the fewest likeliest tokens that have the part `mass` of the weight of all
// logits from `least` on.
float TokenDistribution::LogitOfNucleus(float least, double mass) {
  double all = total_;
  if (least > kNothing) {
    all = 0.0;
    for (const float logit : logits_) {
      if (logit >= least) all += Weight(logit);
    }
  }
  std::vector<float>& likely = likeliest_;
  // Few tokens have most of the weight: only they are sorted.
  for (double depth = 8.0;; depth *= 2.0) {
    const float floor = std::max(
        least, static_cast<float>(maximum_ - std::min(depth / inverse_temperature_, 1e30)));
    likely.clear();
    double weight = 0.0;
    for (const float logit : logits_) {
      if (!(logit >= floor) || logit == kNothing) continue;
      likely.push_back(logit);
      weight += Weight(logit);
    }
    const bool everything = floor <= least || depth > 1e6;
    if (weight < mass * all && !everything) continue;
    std::sort(likely.begin(), likely.end(), std::greater<>());
    double cumulative = 0.0;
    for (const float logit : likely) {
      cumulative += Weight(logit);
      if (cumulative >= mass * all) return logit;
    }
    return likely.back();
  }
}

double TokenDistribution::LogProb(TokenId token) const {
  const float logit = logits_[token];
  if (logit == kNothing || (cut_ && logit < least_)) return kNothing;
  return LogNormaliser{maximum_, inverse_temperature_, total_}.LogProb(logit);
}

DrawnToken TokenDistribution::At(TokenId token) const {
  return {token, static_cast<float>(LogProb(token))};
}

DrawnToken TokenDistribution::Draw(double uniform) const {
  if (greedy_) {
    return At(static_cast<TokenId>(std::find(logits_.begin(), logits_.end(), maximum_) -
                                   logits_.begin()));
  }
  double left = uniform * total_;
  if (cut_) {
    for (const Candidate& candidate : candidates_) {
      left -= Weight(candidate.logit);
      if (left < 0.0) return At(candidate.token);
    }
    return At(candidates_.back().token);  // rounding left the sum below
  }
  size_t block = 0;
  for (; block + 1 < block_sums_.size() && left >= block_sums_[block]; ++block)
    left -= block_sums_[block];
  // Rounding may lead into blocks at the end that hold nothing.
  while (block > 0 && block_sums_[block] == 0.0F) --block;
  const size_t last = std::min(logits_.size(), (block + 1) * kSumBlock);
  TokenId possible = 0;
  for (size_t token = block * kSumBlock; token < last; ++token) {
    const double weight = Weight(logits_[token]);
    if (!(weight > 0.0)) continue;  // as a NaN isn't either
    possible = static_cast<TokenId>(token);
    left -= weight;
    if (left < 0.0) break;
  }
  return At(possible);
}

}  // namespace tpo

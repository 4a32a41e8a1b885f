// The distribution that a language model's next token is drawn from: logits, banned tokens taken
// out, divided by the temperature, cut to the top k, to the nucleus of mass top p, and to what has
// at least min p times the likeliest one's probability, in this order (as transformers does), and
// normalised. The log-prob that a completion records is that of this distribution. A token whose
// logit is no number (NaN) is never drawn.
//
// Not thread-safe; keeps its memory from one Reset to the next.
#ifndef TPO_ROLLOUT_TOKEN_DISTRIBUTION_H_
#define TPO_ROLLOUT_TOKEN_DISTRIBUTION_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/types.h"
#include "policy/language_model/language_loops.h"

namespace tpo {

struct TokenSampling {
  // 0: always the likeliest token; its log-prob is then that of temperature 1 without cuts.
  float temperature = 1.0F;
  int top_k = 0;       // 0: no cut. Tokens as likely as the k-th stay.
  float top_p = 1.0F;  // 1: no cut
  float min_p = 0.0F;  // 0: no cut
  std::vector<TokenId> banned = {};
};

// INVALID_ARGUMENT names the value that is out of range; `vocabulary` tokens, of which one at least
// must not be banned.
absl::Status CheckTokenSampling(const TokenSampling& sampling, int vocabulary);

struct DrawnToken {
  TokenId token = 0;
  float log_prob = 0.0F;
};

class TokenDistribution {
 public:
  explicit TokenDistribution(const LanguageLoops& loops) : loops_(loops) {}

  // Takes the memory that Reset needs for so many logits and these cuts. A Reset that there is room
  // for takes none and doesn't throw.
  void MakeRoom(int vocabulary, const TokenSampling& sampling);

  // Becomes the distribution for `logits` [vocabulary], in which the banned tokens' logits are
  // overwritten. Borrows both until the next Reset.
  void Reset(absl::Span<float> logits, const TokenSampling& sampling);

  // False: the logits have no distribution, being infinite or no numbers (NaN). Then there is
  // nothing to draw.
  bool valid() const;

  // The token at which `uniform`, from [0, 1), falls: tokens in ascending order, each as wide as
  // its probability. REQUIRES: valid().
  DrawnToken Draw(double uniform) const;

  // 0 for tokens that were cut: then log-prob -∞.
  double LogProb(TokenId token) const;

 private:
  struct Candidate {
    float logit;
    TokenId token;
  };

  double Weight(float logit) const;  // relative to the likeliest token
  void Cut(const TokenSampling& sampling);
  float LogitOfRank(int rank);
  float LogitOfNucleus(float least, double mass);
  DrawnToken At(TokenId token) const;

  const LanguageLoops& loops_;
  absl::Span<const float> logits_;
  bool greedy_ = false;
  double inverse_temperature_ = 1.0;
  float maximum_ = 0.0F;
  float least_ = 0.0F;  // logits below are cut
  bool cut_ = false;
  double total_ = 0.0;  // of all weights
  std::vector<float> block_sums_;
  std::vector<Candidate> candidates_;  // when cut: what is left, ascending by token
  std::vector<float> likeliest_;       // while it is being cut
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_TOKEN_DISTRIBUTION_H_

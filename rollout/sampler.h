// Samples completions on a tree of shared prefixes: each distinct prefix is forwarded once,
// whatever the number of prompts and completions that go through it, and sampling early in training
// costs as much as there is diversity.
//
// Reproducible: the token at a position is a function of the weights and of (run seed, prompt id,
// completion index, position) through the counter-based generator, so a group doesn't depend on who
// sampled it or when. To the last bit this holds for the same batch of prompts, because matrix
// products may round differently for other numbers of rows.
#ifndef TPO_ROLLOUT_SAMPLER_H_
#define TPO_ROLLOUT_SAMPLER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/counter_random.h"
#include "core/run_spec.h"
#include "core/types.h"
#include "policy/transformer.h"

namespace tpo {

// The token at which a uniform number falls in the distribution `log_probs` [V]: the first whose
// cumulative probability exceeds `uniform`. Never a token of probability 0.
TokenId SampleToken(absl::Span<const float> log_probs, double uniform);

// Takes up newer weights if there are any; the version that the policy now has.
using WeightRefresh = std::function<absl::StatusOr<WeightVersion>()>;

// Samples spec.completions_per_prompt completions of spec.max_tokens tokens for each prompt, with
// `decoder` of a policy at `version`. Returns [prompts][K] in order. With spec.candidates_per_token
// = C > 0 each position also draws C candidates, of which candidate 0 continues. A temperature of 0
// takes the most likely token each time. INVALID_ARGUMENT: a prompt that is empty, doesn't fit the
// position table with its completion, or has a token outside of the vocabulary. OUT_OF_RANGE: the
// policy's log-probs are no numbers, as of weights that diverged.
//
// With spec.swap_in_flight, `refresh` is called before each position but the first. When the
// version has changed, all that was drawn so far is forwarded again, and the rest is drawn from the
// new policy; each completion's weight_versions say which token came from which version. So a
// recorded log-prob is always that of its version's policy, given all that stands before the token.
// Errors of `refresh` pass through.
//
// Not thread-safe in `decoder`. LibTorch's exceptions pass through.
absl::StatusOr<std::vector<std::vector<Completion>>> SampleCompletions(
    const SamplingSpec& spec, uint64_t seed, RandomStream stream, const Policy& policy,
    WeightVersion version, absl::Span<const Prompt> prompts, TreeDecoder& decoder,
    const WeightRefresh& refresh = {});

}  // namespace tpo

#endif  // TPO_ROLLOUT_SAMPLER_H_

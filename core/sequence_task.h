// The sequence tasks of the paper (paper §3.4) as pure functions: the prompt is H tokens drawn
// uniformly from {0..V-1}, the answer wanted is a fixed rearrangement of them, and an answer is
// rewarded token by token.
//
// An answer of another length than H is scored too: surplus tokens earn 0, missing ones earn 0, and
// the terminal reward needs the very length.
#ifndef TPO_CORE_SEQUENCE_TASK_H_
#define TPO_CORE_SEQUENCE_TASK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/prompt_source.h"
#include "core/run_spec.h"
#include "core/types.h"

namespace tpo {

// INVALID_ARGUMENT names the field: vocab_size and length are at least 1.
absl::Status ValidateSequenceTask(const SequenceTaskSpec& spec);

// What a task's name says about it.
struct SequenceTaskKind {
  SequenceTarget target = SequenceTarget::kReverseCopy;
  SequenceReward reward = SequenceReward::kTerminal;

  friend bool operator==(const SequenceTaskKind&, const SequenceTaskKind&) = default;
};

// With which the names of all sequence tasks begin. Their answers have a fixed length.
inline constexpr std::string_view kSequenceTaskPrefix = "sequence/";

// "sequence/<target>/<reward>", such as "sequence/reverse_copy/terminal"; the words are those of
// the config file.
std::string SequenceTaskName(const SequenceTaskKind& kind);
// INVALID_ARGUMENT lists the words that are possible.
absl::StatusOr<SequenceTaskKind> ParseSequenceTaskName(std::string_view name);

// The tokens of prompt number `index` of the run with this seed [H].
std::vector<TokenId> SequencePromptTokens(const SequenceTaskSpec& spec, uint64_t seed,
                                          uint64_t index);

// The answer wanted to a prompt [H]. A flip maps token p to (V - 1) - p.
std::vector<TokenId> SequenceTargetAnswer(SequenceTarget target, int vocab_size,
                                          absl::Span<const TokenId> prompt);

// One reward per token of `answer` [T]: bag of tokens 1[a_t = target_t]; sequential: the running
// product of that; terminal: 1[answer = target] at every position.
std::vector<float> SequenceTokenRewards(SequenceReward reward,
                                        absl::Span<const TokenId> target_answer,
                                        absl::Span<const TokenId> answer);

// The score of an answer: the sum of its token rewards over max(T, H), so their mean when the
// length is right.
double SequenceScore(SequenceReward reward, absl::Span<const TokenId> target_answer,
                     absl::Span<const TokenId> answer);

// One reward per candidate token, row-major [T, C], for token-level objectives. `answer` [T] holds
// the tokens that were continued with. Bag of tokens: 1[c = target_t]; sequential: the same while
// all earlier answer tokens were right, else 0. INVALID_ARGUMENT: a terminal reward, which no
// single token earns; candidates that aren't [T, C], C >= 1.
absl::StatusOr<std::vector<float>> SequenceCandidateRewards(SequenceReward reward,
                                                            absl::Span<const TokenId> target_answer,
                                                            absl::Span<const TokenId> answer,
                                                            absl::Span<const TokenId> candidates);

// The prompt stream of a run. A prompt carries the wanted answer as reference_tokens and the
// vocabulary's size as metadata "vocab_size", so that a verifier needs nothing but the request.
// Never fails.
class SequencePromptSource : public PromptSource {
 public:
  // REQUIRES: ValidateSequenceTask(spec) is OK.
  SequencePromptSource(const SequenceTaskSpec& spec, uint64_t seed);

  absl::StatusOr<Prompt> At(uint64_t index) override;

 private:
  const SequenceTaskSpec spec_;
  const uint64_t seed_;
};

}  // namespace tpo

#endif  // TPO_CORE_SEQUENCE_TASK_H_

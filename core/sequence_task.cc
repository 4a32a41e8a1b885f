#include "core/sequence_task.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/counter_random.h"

namespace tpo {
namespace {

constexpr std::array<std::pair<SequenceTarget, const char*>, 4> kTargets = {{
    {SequenceTarget::kCopy, "copy"},
    {SequenceTarget::kFlip, "flip"},
    {SequenceTarget::kReverseCopy, "reverse_copy"},
    {SequenceTarget::kReverseFlip, "reverse_flip"},
}};
constexpr std::array<std::pair<SequenceReward, const char*>, 3> kRewards = {{
    {SequenceReward::kBagOfTokens, "bag_of_tokens"},
    {SequenceReward::kSequential, "sequential"},
    {SequenceReward::kTerminal, "terminal"},
}};

template <typename Table, typename Value>
std::string NameOf(const Table& table, Value value) {
  for (const auto& [entry, name] : table) {
    if (entry == value) return name;
  }
  return "unknown";
}

template <typename Value, size_t N>
std::optional<Value> ValueOf(const std::array<std::pair<Value, const char*>, N>& table,
                             const std::string& word) {
  for (const auto& [value, name] : table) {
    if (word == name) return value;
  }
  return std::nullopt;
}

template <typename Table>
std::string Words(const Table& table) {
  return absl::StrJoin(table, ", ",
                       [](std::string* out, const auto& entry) { out->append(entry.second); });
}

bool IsRight(absl::Span<const TokenId> target_answer, size_t position, TokenId token) {
  return position < target_answer.size() && target_answer[position] == token;
}

}  // namespace

absl::Status ValidateSequenceTask(const SequenceTaskSpec& spec) {
  if (spec.vocab_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat("vocab_size: ", spec.vocab_size, " is below 1"));
  }
  if (spec.length < 1)
    return absl::InvalidArgumentError(absl::StrCat("length: ", spec.length, " is below 1"));
  return absl::OkStatus();
}

std::string SequenceTaskName(const SequenceTaskKind& kind) {
  return absl::StrCat("sequence/", NameOf(kTargets, kind.target), "/",
                      NameOf(kRewards, kind.reward));
}

absl::StatusOr<SequenceTaskKind> ParseSequenceTaskName(std::string_view name) {
  const std::string text(name);
  const std::vector<std::string> words = absl::StrSplit(text, '/');
  if (words.size() == 3 && words[0] == "sequence") {
    const auto target = ValueOf(kTargets, words[1]);
    const auto reward = ValueOf(kRewards, words[2]);
    if (target && reward) return SequenceTaskKind{.target = *target, .reward = *reward};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("task: '", text, "' isn't sequence/TARGET/REWARD with TARGET one of ",
                   Words(kTargets), " and REWARD one of ", Words(kRewards)));
}

std::vector<TokenId> SequencePromptTokens(const SequenceTaskSpec& spec, uint64_t seed,
                                          uint64_t index) {
  std::vector<TokenId> tokens(static_cast<size_t>(spec.length));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double uniform =
        UniformAt(seed, RandomStream::kPrompt, index, 0, static_cast<uint32_t>(i));
    tokens[i] = static_cast<TokenId>(uniform * spec.vocab_size);
  }
  return tokens;
}

std::vector<TokenId> SequenceTargetAnswer(SequenceTarget target, int vocab_size,
                                          absl::Span<const TokenId> prompt) {
  std::vector<TokenId> answer(prompt.begin(), prompt.end());
  if (target == SequenceTarget::kReverseCopy || target == SequenceTarget::kReverseFlip) {
    std::reverse(answer.begin(), answer.end());
  }
  if (target == SequenceTarget::kFlip || target == SequenceTarget::kReverseFlip) {
    for (TokenId& token : answer) token = vocab_size - 1 - token;
  }
  return answer;
}

std::vector<float> SequenceTokenRewards(SequenceReward reward,
                                        absl::Span<const TokenId> target_answer,
                                        absl::Span<const TokenId> answer) {
  std::vector<float> rewards(answer.size(), 0.0F);
  if (reward == SequenceReward::kTerminal) {
    if (answer == target_answer) std::fill(rewards.begin(), rewards.end(), 1.0F);
    return rewards;
  }
  for (size_t t = 0; t < answer.size(); ++t) {
    const bool right = IsRight(target_answer, t, answer[t]);
    if (!right && reward == SequenceReward::kSequential) break;
    rewards[t] = right ? 1.0F : 0.0F;
  }
  return rewards;
}

double SequenceScore(SequenceReward reward, absl::Span<const TokenId> target_answer,
                     absl::Span<const TokenId> answer) {
  const size_t positions = std::max(target_answer.size(), answer.size());
  if (positions == 0) return 0.0;
  const std::vector<float> rewards = SequenceTokenRewards(reward, target_answer, answer);
  return std::accumulate(rewards.begin(), rewards.end(), 0.0) / static_cast<double>(positions);
}

absl::StatusOr<std::vector<float>> SequenceCandidateRewards(SequenceReward reward,
                                                            absl::Span<const TokenId> target_answer,
                                                            absl::Span<const TokenId> answer,
                                                            absl::Span<const TokenId> candidates) {
  if (reward == SequenceReward::kTerminal) {
    return absl::InvalidArgumentError("a terminal reward has no reward per candidate token");
  }
  if (answer.empty() ? !candidates.empty()
                     : candidates.empty() || candidates.size() % answer.size() != 0) {
    return absl::InvalidArgumentError(absl::StrCat("candidate_tokens: ", candidates.size(),
                                                   " candidates can't be shared out over ",
                                                   answer.size(), " tokens"));
  }
  std::vector<float> rewards(candidates.size(), 0.0F);
  const size_t per_token = answer.empty() ? 0 : candidates.size() / answer.size();
  for (size_t t = 0; t < answer.size(); ++t) {
    for (size_t c = t * per_token; c < (t + 1) * per_token; ++c) {
      rewards[c] = IsRight(target_answer, t, candidates[c]) ? 1.0F : 0.0F;
    }
    if (reward == SequenceReward::kSequential && !IsRight(target_answer, t, answer[t])) break;
  }
  return rewards;
}

SequencePromptSource::SequencePromptSource(const SequenceTaskSpec& spec, uint64_t seed)
    : spec_(spec), seed_(seed) {}

absl::StatusOr<Prompt> SequencePromptSource::At(uint64_t index) {
  Prompt prompt;
  prompt.id = index;
  prompt.task = SequenceTaskName({.target = spec_.target, .reward = spec_.reward});
  prompt.tokens = SequencePromptTokens(spec_, seed_, index);
  prompt.reference_tokens = SequenceTargetAnswer(spec_.target, spec_.vocab_size, prompt.tokens);
  prompt.metadata["vocab_size"] = absl::StrCat(spec_.vocab_size);
  return prompt;
}

}  // namespace tpo

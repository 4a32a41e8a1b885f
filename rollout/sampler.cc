#include "rollout/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/prefix_tree.h"

namespace tpo {
namespace {

absl::Status CheckPrompt(const Prompt& prompt, const SamplingSpec& spec, const Policy& policy) {
  const auto invalid = [&](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("prompt ", prompt.id, ": ", parts...));
  };
  if (prompt.tokens.empty()) return invalid("has no tokens");
  const size_t length = prompt.tokens.size() + spec.max_tokens;
  if (length > static_cast<size_t>(policy.max_positions()) + 1) {
    return invalid(prompt.tokens.size(), " tokens and a completion of ", spec.max_tokens,
                   " don't fit the policy's ", policy.max_positions(), " positions");
  }
  for (size_t i = 0; i < prompt.tokens.size(); ++i) {
    if (prompt.tokens[i] < 0 || prompt.tokens[i] >= policy.vocabulary_size()) {
      return invalid("token ", i, " is ", prompt.tokens[i], ", the vocabulary has ",
                     policy.vocabulary_size());
    }
  }
  return absl::OkStatus();
}

TokenId MostLikelyToken(absl::Span<const float> log_probs) {
  return static_cast<TokenId>(std::max_element(log_probs.begin(), log_probs.end()) -
                              log_probs.begin());
}

// A completion that is being sampled.
struct OpenCompletion {
  Completion* completion = nullptr;
  uint64_t prompt_id = 0;
  uint32_t index = 0;  // within its group
  int32_t row = 0;     // cache row of its last forwarded token
};

// All rows of the decoder's cache, grown together with it.
class TreeSampling {
 public:
  TreeSampling(const SamplingSpec& spec, uint64_t seed, RandomStream stream, const Policy& policy,
               WeightVersion version, TreeDecoder& decoder)
      : spec_(spec),
        seed_(seed),
        stream_(stream),
        greedy_(spec.temperature == 0.0F),
        temperature_(greedy_ ? 1.0F : spec.temperature),
        vocabulary_(policy.vocabulary_size()),
        path_stride_(policy.max_positions()),
        version_(version),
        decoder_(decoder) {}

  absl::Status Run(absl::Span<const Prompt> prompts, const WeightRefresh& refresh,
                   std::vector<std::vector<Completion>>& groups) {
    ForwardPrompts(prompts, groups);
    for (int position = 0; position < spec_.max_tokens; ++position) {
      for (OpenCompletion& open : open_) TPO_RETURN_IF_ERROR(DrawToken(open, position));
      if (position + 1 == spec_.max_tokens) break;
      WeightVersion version = version_;
      if (spec_.swap_in_flight && refresh) {
        TPO_ASSIGN_OR_RETURN(version, refresh());
      }
      ForwardDrawnTokens(/*all=*/version != version_);
      if (version != version_) NoteVersion(version, position + 1);
    }
    return absl::OkStatus();
  }

 private:
  void ForwardPrompts(absl::Span<const Prompt> prompts,
                      std::vector<std::vector<Completion>>& groups) {
    // One scored token per prompt tells which node its last token became.
    const TokenId any = 0;
    std::vector<TreeSequence> sequences;
    for (const Prompt& prompt : prompts) sequences.push_back({prompt.tokens, {&any, 1}, {}});
    PrefixTree tree = BuildPrefixTree(sequences, path_stride_);
    const int completions = static_cast<int>(prompts.size()) * spec_.completions_per_prompt;
    most_rows_ = tree.nodes.size() + completions * std::max(spec_.max_tokens - 1, 0);
    decoder_.Reset(most_rows_);
    first_row_ = 0;
    log_probs_ = decoder_.Extend(tree.nodes, temperature_);
    for (size_t g = 0; g < prompts.size(); ++g) {
      const int32_t row = tree.scored[tree.sequence_scored[g].front()].node;
      for (int k = 0; k < spec_.completions_per_prompt; ++k) {
        open_.push_back({&groups[g][k], prompts[g].id, static_cast<uint32_t>(k), row});
      }
    }
    nodes_ = std::move(tree.nodes);
  }

  absl::Span<const float> LogProbsAt(int32_t row) const {
    return log_probs_.subspan(static_cast<size_t>(row - first_row_) * vocabulary_, vocabulary_);
  }

  absl::Status DrawToken(OpenCompletion& open, int position) const {
    const absl::Span<const float> log_probs = LogProbsAt(open.row);
    const auto draw = [&](uint32_t index) {
      if (greedy_) return MostLikelyToken(log_probs);
      return SampleToken(log_probs, UniformAt(seed_, stream_, open.prompt_id, index,
                                              static_cast<uint32_t>(position)));
    };
    const TokenId token = draw(open.index);
    if (!std::isfinite(log_probs[token])) {
      return absl::OutOfRangeError(absl::StrCat("prompt ", open.prompt_id,
                                                ": the log-probs of weight version ", version_,
                                                " are not numbers"));
    }
    open.completion->tokens.push_back(token);
    open.completion->behavior_log_probs.push_back(log_probs[token]);
    for (int c = 0; c < spec_.candidates_per_token; ++c) {
      const TokenId candidate = c == 0 ? token : draw(static_cast<uint32_t>(c));
      open.completion->candidate_tokens.push_back(candidate);
      open.completion->candidate_log_probs.push_back(log_probs[candidate]);
    }
    return absl::OkStatus();
  }

  // The tokens from `first_token` on come from this version.
  void NoteVersion(WeightVersion version, int first_token) {
    version_ = version;
    for (const OpenCompletion& open : open_) {
      open.completion->weight_versions.push_back({version, static_cast<uint32_t>(first_token)});
    }
  }

  // `all`: together with everything before them, whose rows are of older weights.
  void ForwardDrawnTokens(bool all) {
    TreeNodes nodes;
    nodes.path_stride = path_stride_;
    const int32_t next_row = decoder_.rows();
    std::unordered_map<int64_t, int32_t> row_of;  // of (parent row, token)
    for (OpenCompletion& open : open_) {
      const TokenId token = open.completion->tokens.back();
      const int64_t key = static_cast<int64_t>(open.row) * vocabulary_ + token;
      const auto [entry, inserted] = row_of.try_emplace(key, next_row + nodes.size());
      if (inserted) {
        nodes.Append(token, nodes_.positions[open.row] + 1,
                     nodes_.paths.data() + static_cast<size_t>(open.row) * path_stride_,
                     entry->second);
      }
      open.row = entry->second;
    }
    nodes_.tokens.insert(nodes_.tokens.end(), nodes.tokens.begin(), nodes.tokens.end());
    nodes_.positions.insert(nodes_.positions.end(), nodes.positions.begin(), nodes.positions.end());
    nodes_.parents.insert(nodes_.parents.end(), nodes.parents.begin(), nodes.parents.end());
    nodes_.paths.insert(nodes_.paths.end(), nodes.paths.begin(), nodes.paths.end());
    first_row_ = all ? 0 : next_row;
    if (all) decoder_.Reset(most_rows_);
    log_probs_ = decoder_.Extend(all ? nodes_ : nodes, temperature_);
  }

  const SamplingSpec& spec_;
  const uint64_t seed_;
  const RandomStream stream_;
  const bool greedy_;
  const float temperature_;
  const int vocabulary_;
  const int path_stride_;
  WeightVersion version_;
  TreeDecoder& decoder_;
  std::vector<OpenCompletion> open_;
  int most_rows_ = 0;
  TreeNodes nodes_;  // all rows so far
  // Of the last Extend, whose first node is row first_row_.
  absl::Span<const float> log_probs_;
  int32_t first_row_ = 0;
};

}  // namespace

TokenId SampleToken(absl::Span<const float> log_probs, double uniform) {
  double cumulative = 0.0;
  TokenId last_possible = 0;
  for (size_t token = 0; token < log_probs.size(); ++token) {
    const double probability = std::exp(static_cast<double>(log_probs[token]));
    if (probability <= 0.0) continue;
    last_possible = static_cast<TokenId>(token);
    cumulative += probability;
    if (uniform < cumulative) return last_possible;
  }
  // Rounding left the sum below 1.
  return last_possible;
}

absl::StatusOr<std::vector<std::vector<Completion>>> SampleCompletions(
    const SamplingSpec& spec, uint64_t seed, RandomStream stream, const Policy& policy,
    WeightVersion version, absl::Span<const Prompt> prompts, TreeDecoder& decoder,
    const WeightRefresh& refresh) {
  for (const Prompt& prompt : prompts) TPO_RETURN_IF_ERROR(CheckPrompt(prompt, spec, policy));
  Completion empty;
  empty.finish_reason = FinishReason::kLength;
  empty.weight_versions = {{version, 0}};
  std::vector<std::vector<Completion>> groups(
      prompts.size(), std::vector<Completion>(spec.completions_per_prompt, empty));
  if (prompts.empty()) return groups;
  TreeSampling sampling(spec, seed, stream, policy, version, decoder);
  TPO_RETURN_IF_ERROR(sampling.Run(prompts, refresh, groups));
  return groups;
}

}  // namespace tpo

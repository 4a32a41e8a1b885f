#include "tests/simulation/model.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "tests/simulation/random.h"

namespace tpo::simulation {
namespace {

constexpr size_t kWordBytes = sizeof(uint64_t);

uint64_t KeyOf(uint64_t prompt, int completion) {
  return Mix(prompt, static_cast<uint64_t>(completion));
}

void MixGroup(const Group& group, uint64_t& weights) {
  weights = Mix(weights, group.prompt_id);
  for (const Completion& completion : group.completions) {
    for (const TokenId token : completion.tokens) {
      weights = Mix(weights, static_cast<uint64_t>(token));
    }
  }
  for (const Verdict& verdict : group.verdicts) {
    weights = Mix(weights, static_cast<uint64_t>(verdict.kind) +
                               (verdict.score > 0.5 ? uint64_t{100} : uint64_t{0}));
  }
}

}  // namespace

uint64_t InitialWeights(const Scenario& scenario) { return Mix(scenario.seed, 77); }

TensorBundle BundleWeights(uint64_t weights, int floats) {
  TensorSpec tensor;
  tensor.name = "w";
  tensor.type = TensorType::kInt64;
  tensor.shape = {floats};
  TensorBundle bundle = *TensorBundle::Create({tensor});
  const absl::Span<std::byte> bytes = bundle.bytes(bundle.tensors().front());
  for (size_t i = 0; i < bytes.size() / kWordBytes; ++i) {
    const uint64_t word = i == 0 ? weights : Mix(weights, i);
    std::memcpy(bytes.data() + i * kWordBytes, &word, kWordBytes);
  }
  return bundle;
}

std::optional<uint64_t> UnbundleWeights(const TensorBundle& bundle) {
  const absl::Span<const std::byte> bytes = bundle.bytes(bundle.tensors().front());
  uint64_t weights = 0;
  std::memcpy(&weights, bytes.data(), kWordBytes);
  for (size_t i = 1; i < bytes.size() / kWordBytes; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * kWordBytes, kWordBytes);
    if (word != Mix(weights, i)) return std::nullopt;
  }
  return weights;
}

TokenId SampleToken(const Scenario& scenario, uint64_t weights, uint64_t prompt, int completion,
                    int position) {
  const uint64_t draw =
      Mix(Mix(weights, KeyOf(prompt, completion)), static_cast<uint64_t>(position));
  return static_cast<TokenId>(draw % static_cast<uint64_t>(scenario.vocab_size));
}

int CompletionTokens(const Scenario& scenario, uint64_t prompt, int completion) {
  return 1 + static_cast<int>(KeyOf(prompt, completion) %
                              static_cast<uint64_t>(scenario.sampling.max_tokens));
}

Completion SampleCompletion(const Scenario& scenario, uint64_t prompt, int completion,
                            WeightVersion version, uint64_t weights, int swap_at,
                            WeightVersion later_version, uint64_t later_weights) {
  Completion sampled;
  const int tokens = CompletionTokens(scenario, prompt, completion);
  const bool swaps = swap_at > 0 && swap_at < tokens && later_version > version;
  for (int t = 0; t < tokens; ++t) {
    const uint64_t used = swaps && t >= swap_at ? later_weights : weights;
    sampled.tokens.push_back(SampleToken(scenario, used, prompt, completion, t));
    sampled.behavior_log_probs.push_back(-0.5F);
  }
  sampled.finish_reason = FinishReason::kLength;
  sampled.weight_versions = {{.weight_version = version, .first_token = 0}};
  if (swaps) {
    sampled.weight_versions.push_back(
        {.weight_version = later_version, .first_token = static_cast<uint32_t>(swap_at)});
  }
  return sampled;
}

Verdict Judge(const Scenario& scenario, uint64_t prompt, int completion) {
  const uint64_t draw = Mix(scenario.seed, KeyOf(prompt, completion));
  if (draw % 1000 < static_cast<uint64_t>(scenario.unscored_per_mille)) {
    return Verdict::Unscored(VerdictKind::kFailed, "this one always fails");
  }
  return Verdict::Scored(static_cast<double>(draw >> 63));
}

bool IsVerifiable(const Scenario& scenario, uint64_t prompt) {
  int scored = 0;
  for (int k = 0; k < scenario.sampling.completions_per_prompt; ++k) {
    if (Judge(scenario, prompt, k).kind == VerdictKind::kScored) ++scored;
  }
  return scored >= scenario.leases.min_scored_completions;
}

uint64_t TrainOn(uint64_t weights, const std::vector<ReadyGroup>& batch) {
  for (const ReadyGroup& ready : batch) MixGroup(ready.group, weights);
  return weights;
}

uint64_t WeightsOfTheFlawlessRun(const Scenario& scenario) {
  std::vector<uint64_t> weights = {InitialWeights(scenario)};
  uint64_t next_prompt = 0;
  for (int64_t step = 0; step < scenario.leases.steps; ++step) {
    const int64_t version = std::max<int64_t>(step - scenario.leases.max_staleness, 0);
    std::vector<ReadyGroup> batch;
    while (batch.size() < static_cast<size_t>(scenario.leases.prompts_per_step)) {
      const uint64_t prompt = next_prompt++;
      if (!IsVerifiable(scenario, prompt)) continue;
      ReadyGroup& ready = batch.emplace_back();
      ready.group.prompt_id = prompt;
      for (int k = 0; k < scenario.sampling.completions_per_prompt; ++k) {
        ready.group.completions.push_back(
            SampleCompletion(scenario, prompt, k, version, weights[version]));
        ready.group.verdicts.push_back(Judge(scenario, prompt, k));
      }
    }
    weights.push_back(TrainOn(weights.back(), batch));
  }
  return weights.back();
}

}  // namespace tpo::simulation

// Forward, backward, sampling and a whole optimizer phase of the paper's network (V=2, H=7), one
// thread, with the achieved GFLOP/s beside the machine's own for matrix products of these shapes.
//
// The argument is the number of distinct completions among the 8 of each prompt: 8 at the start of
// training, 1 at its end.
#include <memory>
#include <random>
#include <vector>

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "learner/batch.h"
#include "learner/trainer.h"
#include "policy/threads.h"
#include "policy/transformer.h"
#include "rollout/sampler.h"

namespace tpo {
namespace {

constexpr int kLength = 7;
constexpr int kPrompts = 100;
constexpr int kMembers = 8;
constexpr TransformerSpec kSpec = {.vocab_size = 2,
                                   .max_positions = 14,
                                   .d_model = 64,
                                   .layers = 2,
                                   .heads = 2,
                                   .feed_forward = 256};
// Of the matrix products, forward, per node: q, k, v, out [64, 64] each, feed-forward [64, 256]
// twice, two layers; head [64, 2].
constexpr double kForwardFlopPerNode = 2.0 * (2 * (4 * 64 * 64 + 2 * 64 * 256) + 64 * 2);

std::vector<ReadyGroup> MakeGroups(int distinct) {
  std::mt19937 random(1);
  const auto draw = [&] {
    std::vector<TokenId> tokens(kLength);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random() & 1);
    return tokens;
  };
  std::vector<ReadyGroup> groups(kPrompts);
  for (int p = 0; p < kPrompts; ++p) {
    groups[p].prompt.id = p;
    groups[p].prompt.tokens = draw();
    std::vector<std::vector<TokenId>> answers(distinct);
    for (auto& answer : answers) answer = draw();
    for (int k = 0; k < kMembers; ++k) {
      Completion completion;
      completion.tokens = answers[k % distinct];
      completion.behavior_log_probs.assign(kLength, -0.69F);
      completion.weight_versions = {{0, 0}};
      groups[p].group.completions.push_back(completion);
      groups[p].group.verdicts.push_back(Verdict::Scored(k == 0 ? 1.0 : 0.0));
    }
  }
  return groups;
}

std::unique_ptr<TransformerPolicy> MakePolicy() {
  PrepareComputingThread();
  auto policy = MakeTransformer(kSpec, {}).value();
  InitializeTransformer(0, *policy);
  return policy;
}

PrefixTree MakeTree(const std::vector<ReadyGroup>& groups) {
  std::vector<TreeSequence> sequences;
  for (const ReadyGroup& ready : groups) {
    for (const Completion& completion : ready.group.completions) {
      sequences.push_back({ready.prompt.tokens, completion.tokens, {}});
    }
  }
  return BuildPrefixTree(sequences, kSpec.max_positions);
}

void ReportFlop(benchmark::State& state, double flop) {
  state.counters["GFLOP/s"] = benchmark::Counter(
      flop * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// The machine's rate for the largest product of the network.
void BM_MatrixProduct(benchmark::State& state) {
  PrepareComputingThread();
  const c10::InferenceMode inference;
  const int64_t rows = state.range(0);
  const at::Tensor a = at::randn({rows, 64});
  const at::Tensor b = at::randn({64, 256});
  at::Tensor c = at::empty({rows, 256});
  for ([[maybe_unused]] auto _ : state) at::mm_out(c, a, b);
  ReportFlop(state, 2.0 * static_cast<double>(rows) * 64 * 256);
}
BENCHMARK(BM_MatrixProduct)->Arg(256)->Arg(512)->Arg(2048);

void BM_Forward(benchmark::State& state) {
  const auto policy = MakePolicy();
  const auto groups = MakeGroups(static_cast<int>(state.range(0)));
  const PrefixTree tree = MakeTree(groups);
  const auto pass = policy->NewPass();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(pass->Forward(tree, 1.0).data());
  state.counters["nodes"] = tree.nodes.size();
  ReportFlop(state, kForwardFlopPerNode * tree.nodes.size());
}
BENCHMARK(BM_Forward)->Arg(8)->Arg(1)->Unit(benchmark::kMillisecond);

void BM_ForwardBackward(benchmark::State& state) {
  const auto policy = MakePolicy();
  const auto groups = MakeGroups(static_cast<int>(state.range(0)));
  const PrefixTree tree = MakeTree(groups);
  const auto pass = policy->NewPass();
  const std::vector<double> coefficients(tree.scored.size(), 0.01);
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy->parameters())
    gradients.push_back(at::zeros_like(parameter.tensor));
  for ([[maybe_unused]] auto _ : state) {
    pass->Forward(tree, 1.0);
    pass->Backward(coefficients, gradients);
  }
  state.counters["nodes"] = tree.nodes.size();
  ReportFlop(state, 3 * kForwardFlopPerNode * tree.nodes.size());
}
BENCHMARK(BM_ForwardBackward)->Arg(8)->Arg(1)->Unit(benchmark::kMillisecond);

void BM_OptimizerStep(benchmark::State& state) {
  const auto policy = MakePolicy();
  const auto optimizer =
      MakeOptimizer(MuonSpec{.learning_rate = 1e-3}, policy->parameters()).value();
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy->parameters())
    gradients.push_back(at::randn_like(parameter.tensor));
  const c10::InferenceMode inference;
  for ([[maybe_unused]] auto _ : state) optimizer->Step(gradients);
}
BENCHMARK(BM_OptimizerStep)->Unit(benchmark::kMillisecond);

// Four epochs of TPO on 100 groups of 8.
void BM_TrainStep(benchmark::State& state) {
  const auto policy = MakePolicy();
  const auto groups = MakeGroups(static_cast<int>(state.range(0)));
  const auto objective = MakeObjective({.kind = ObjectiveKind::kTpo}).value();
  const auto optimizer =
      MakeOptimizer(MuonSpec{.learning_rate = 1e-5}, policy->parameters()).value();
  Trainer trainer({.epochs = 4, .micro_batch_tokens = 512, .threads = 1}, policy.get(),
                  objective.get(), optimizer.get());
  const Batch batch = Batch::Create(groups, *objective).value();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(trainer.Train(batch, true).ok());
}
BENCHMARK(BM_TrainStep)->Arg(8)->Arg(1)->Unit(benchmark::kMillisecond);

// 100 prompts × 8 completions in leases of 25, at the start of training.
void BM_Sample(benchmark::State& state) {
  const auto policy = MakePolicy();
  const auto decoder = policy->NewDecoder();
  const auto groups = MakeGroups(8);
  const SamplingSpec sampling = {.completions_per_prompt = kMembers,
                                 .candidates_per_token = 0,
                                 .temperature = 1.0F,
                                 .max_tokens = kLength};
  for ([[maybe_unused]] auto _ : state) {
    for (int first = 0; first < kPrompts; first += 25) {
      std::vector<Prompt> prompts;
      for (int p = first; p < first + 25; ++p) prompts.push_back(groups[p].prompt);
      benchmark::DoNotOptimize(
          SampleCompletions(sampling, 0, RandomStream::kCompletion, *policy, 0, prompts, *decoder)
              .ok());
    }
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kPrompts * kMembers * kLength,
                         benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Sample)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tpo

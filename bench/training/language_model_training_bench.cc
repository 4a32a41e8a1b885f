// Passes of training with a language model of SmolLM2-135M's shape (random weights: speed doesn't
// depend on them), groups of 8 completions of 32 tokens over prompts of 32, all cores; beside it
// what bounds it on the same machine: products.
//
// Names: Forward, Backward, Repack/<1: bfloat16, 0: float32>/<groups in the tree>. Counters:
// tokens/s of the completions; GFLOP/s of the products that were computed, and "products", the part
// of the rate that Product reaches, which runs first; MB: working and kept memory. The times are
// those of the fastest run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/product_rate.h"
#include "policy/hugging_face/model_config.h"
#include "policy/language_model/trainable_language_model.h"
#include "policy/prefix_tree.h"

namespace tpo {
namespace {

constexpr int kPromptTokens = 32;
constexpr int kCompletionTokens = 32;
constexpr int kCompletions = 8;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double best_flop_per_second[2] = {0.0, 0.0};

const LanguageModelConfig& Config() {
  static const LanguageModelConfig config = *ParseLanguageModelConfig(R"({
    "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000.0,
    "tie_word_embeddings": true})");
  return config;
}

const std::map<std::string, std::vector<float>>& Parameters() {
  static const auto* const parameters = [] {
    auto* const made = new std::map<std::string, std::vector<float>>();
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-0.05F, 0.05F);
    for (const LanguageModelTensor& tensor : LanguageModelTensors(Config())) {
      int64_t count = 1;
      for (const int64_t extent : tensor.shape) count *= extent;
      std::vector<float>& values = (*made)[tensor.name];
      values.resize(count, 1.0F);
      if (tensor.shape.size() < 2) continue;
      for (float& value : values) value = uniform(random);
    }
    return made;
  }();
  return *parameters;
}

const float* ValuesOf(const std::string& name) { return Parameters().at(name).data(); }

TrainableLanguageModel& Model(bool bfloat16) {
  static std::unique_ptr<TrainableLanguageModel> models[2];
  std::unique_ptr<TrainableLanguageModel>& model = models[bfloat16];
  if (model == nullptr) {
    model = TrainableLanguageModel::Create(Config(), bfloat16, 0);
    model->SetParameters(ValuesOf);
  }
  return *model;
}

PrefixTree Tree(int groups) {
  std::mt19937 random(2);
  const auto draw = [&](int count) {
    std::vector<TokenId> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>(random() % 49152));
    return tokens;
  };
  std::vector<std::vector<TokenId>> tokens;
  for (int i = 0; i < groups * (1 + kCompletions); ++i)
    tokens.push_back(draw(i % (1 + kCompletions) == 0 ? kPromptTokens : kCompletionTokens));
  std::vector<TreeSequence> sequences;
  for (int group = 0; group < groups; ++group) {
    const size_t first = static_cast<size_t>(group) * (1 + kCompletions);
    for (size_t k = 1; k <= kCompletions; ++k)
      sequences.push_back({tokens[first], tokens[first + k], {}});
  }
  return BuildPrefixTree(sequences, kPromptTokens + kCompletionTokens);
}

// Of the products, per forwarded row and per scored row.
double LayerFlop() {
  const LanguageModelConfig& config = Config();
  const double head = static_cast<double>(config.vocab_size) * config.hidden_size;
  return 2.0 * (static_cast<double>(CountParameters(config)) - head);
}
double HeadFlop() { return 2.0 * static_cast<double>(Config().vocab_size) * Config().hidden_size; }
// Of a layer's products, those that a backward pass computes again.
double AgainFlop() {
  const LanguageModelConfig& config = Config();
  return 2.0 * config.layers * config.hidden_size *
         ((config.heads + 2 * config.key_value_heads) * config.head_dim +
          2.0 * config.intermediate_size);
}

void SetCounters(benchmark::State& state, const PrefixTree& tree, double flop, double seconds,
                 bool bfloat16, const KeptForward& kept) {
  state.counters["s"] = seconds;
  state.counters["tokens/s"] = static_cast<double>(tree.scored.size()) / seconds;
  state.counters["GFLOP/s"] = flop / seconds * 1e-9;
  state.counters["products"] = flop / seconds / best_flop_per_second[bfloat16];
  state.counters["working MB"] = static_cast<double>(Model(bfloat16).working_bytes()) * 1e-6;
  state.counters["kept MB"] = static_cast<double>(kept.size_bytes()) * 1e-6;
}

// 120 rows times a matrix that fits the cache, on all cores.
template <typename T>
void Product(benchmark::State& state) {
  const double rate = ProductFlopPerSecond<T>(state);
  best_flop_per_second[sizeof(T) == 2] = rate;
}
BENCHMARK(Product<uint16_t>)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(20);
BENCHMARK(Product<float>)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(20);

void Forward(benchmark::State& state) {
  const bool bfloat16 = state.range(0) != 0;
  TrainableLanguageModel& model = Model(bfloat16);
  const PrefixTree tree = Tree(static_cast<int>(state.range(1)));
  KeptForward kept;
  double fastest = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    const auto start = Now();
    model.Forward(tree, 1.0, &kept);
    fastest = std::min(fastest, Now() - start);
  }
  const double flop =
      LayerFlop() * tree.nodes.size() + HeadFlop() * static_cast<double>(kept.scored_rows.size());
  SetCounters(state, tree, flop, fastest, bfloat16, kept);
}

void Backward(benchmark::State& state) {
  const bool bfloat16 = state.range(0) != 0;
  TrainableLanguageModel& model = Model(bfloat16);
  const PrefixTree tree = Tree(static_cast<int>(state.range(1)));
  KeptForward kept;
  model.Forward(tree, 1.0, &kept);
  static std::map<std::string, std::vector<float>> gradients;
  for (const auto& [name, values] : Parameters()) gradients[name].resize(values.size());
  const std::vector<double> coefficients(tree.scored.size(), 1e-3);
  double fastest = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    const auto start = Now();
    model.Backward(coefficients, kept,
                   [](const std::string& name) { return gradients.at(name).data(); });
    fastest = std::min(fastest, Now() - start);
  }
  const double flop = (2.0 * LayerFlop() + AgainFlop()) * tree.nodes.size() +
                      3.0 * HeadFlop() * static_cast<double>(kept.scored_rows.size());
  SetCounters(state, tree, flop, fastest, bfloat16, kept);
}

void Repack(benchmark::State& state) {
  TrainableLanguageModel& model = Model(state.range(0) != 0);
  for ([[maybe_unused]] auto _ : state) model.SetParameters(ValuesOf);
}

BENCHMARK(Forward)->Args({1, 2})->Args({1, 4})->Args({0, 2})->UseRealTime()->Iterations(3);
BENCHMARK(Backward)->Args({1, 2})->Args({1, 4})->Args({0, 2})->UseRealTime()->Iterations(3);
BENCHMARK(Repack)->Arg(1)->Arg(0)->UseRealTime()->Iterations(3);

}  // namespace
}  // namespace tpo

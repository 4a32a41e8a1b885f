// Generation with a language model of SmolLM2-135M's shape (random weights: speed doesn't depend on
// them), prompts of 32 tokens, completions of 64, all cores; beside it what bounds it on the same
// machine: reading the weights from memory, and products.
//
// The environment variable GENERATION_MODEL chooses another model: "qwen3-0.6b", that shape with
// random weights, or a Hugging Face directory with its own.
//
// Names: Generate/<prompts>/<completions of each>/<1: bfloat16, 0: float32>. Counters: tokens/s of
// the completions; "bandwidth" and "products": parts of the rates that Read and Product reach,
// which run first.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/product_rate.h"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/language_model.h"
#include "rollout/generation_engine.h"

namespace tpo {
namespace {

constexpr int kPromptTokens = 32;
constexpr int kNewTokens = 64;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double best_bytes_per_second = 0.0;
double best_flop_per_second[2] = {0.0, 0.0};

constexpr char kSmolLm2[] = R"({
    "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000.0,
    "tie_word_embeddings": true})";
constexpr char kQwen3[] = R"({
    "model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 3072, "max_position_embeddings": 40960, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0, "tie_word_embeddings": true})";

std::string ModelName() {
  const char* const name = std::getenv("GENERATION_MODEL");
  return name == nullptr ? "smollm2" : name;
}

// nullptr: a shape with random weights.
const ModelDirectory* Directory() {
  static const ModelDirectory* const directory = []() -> const ModelDirectory* {
    if (ModelName() == "smollm2" || ModelName() == "qwen3-0.6b") return nullptr;
    auto opened = ModelDirectory::Open(ModelName());
    if (opened.ok()) return opened->release();
    std::fprintf(stderr, "GENERATION_MODEL: %s\n", opened.status().ToString().c_str());
    std::exit(1);
  }();
  return directory;
}

const LanguageModelConfig& Config() {
  static const LanguageModelConfig config =
      Directory() != nullptr
          ? Directory()->config()
          : *ParseLanguageModelConfig(ModelName() == "smollm2" ? kSmolLm2 : kQwen3);
  return config;
}

std::shared_ptr<const LanguageModel> RandomModel(bool bfloat16) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(Config()))
    shapes[tensor.name] = tensor.shape;
  std::mt19937 random(1);
  std::vector<float> values(static_cast<size_t>(Config().vocab_size) * Config().hidden_size);
  std::uniform_real_distribution<float> uniform(-0.05F, 0.05F);
  for (float& value : values) value = uniform(random);
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
  const auto source = [&](const std::string& name) {
    SafetensorsView view;
    view.spec.name = name;
    view.spec.type = TensorType::kFloat32;
    view.spec.shape = shapes.at(name);
    view.bytes = bytes;
    return view;
  };
  return LanguageModel::Create(Config(), source, bfloat16);
}

std::shared_ptr<const LanguageModel> Model(bool bfloat16) {
  static std::map<bool, std::shared_ptr<const LanguageModel>> models;
  std::shared_ptr<const LanguageModel>& model = models[bfloat16];
  if (model == nullptr) {
    model = Directory() != nullptr ? LanguageModel::Create(*Directory(), bfloat16)
                                   : RandomModel(bfloat16);
  }
  return model;
}

// Reading memory that no cache holds, on all cores.
void Read(benchmark::State& state) {
  constexpr size_t kBytes = size_t{1} << 30;
  AlignedMemory<uint64_t> memory(kBytes / 8);
  // Until it is written to, all of it is one page of zeros.
  std::iota(memory.data(), memory.data() + memory.size(), uint64_t{1});
  ThreadTeam team(0);
  std::vector<uint64_t> sums(team.size() * 8);
  double fastest = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    const auto start = Now();
    team.Run([&](int thread) {
      const auto [first, last] = team.Part(thread, static_cast<int>(kBytes / 512));
      uint64_t parts[64] = {};
      for (int line = first; line < last; ++line) {
        const uint64_t* const from = memory.data() + size_t{64} * line;
        for (int i = 0; i < 64; ++i) parts[i] |= from[i];
      }
      for (const uint64_t part : parts) sums[thread * 8] |= part;
    });
    fastest = std::min(fastest, Now() - start);
  }
  benchmark::DoNotOptimize(sums.data());
  best_bytes_per_second = std::max(best_bytes_per_second, kBytes / fastest);
  state.counters["GB/s"] = kBytes / fastest * 1e-9;
}
BENCHMARK(Read)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(10);

// 120 rows times a matrix that fits the cache, on all cores.
template <typename T>
void Product(benchmark::State& state) {
  const double rate = ProductFlopPerSecond<T>(state);
  best_flop_per_second[sizeof(T) == 2] = std::max(best_flop_per_second[sizeof(T) == 2], rate);
}
BENCHMARK(Product<float>)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(20);
BENCHMARK(Product<uint16_t>)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(20);

void Generate(benchmark::State& state) {
  const int prompts = static_cast<int>(state.range(0));
  const int completions = static_cast<int>(state.range(1));
  const bool bfloat16 = state.range(2) != 0;
  const auto model = Model(bfloat16);
  GenerationEngine engine({.seed = 1}, model, 0);
  std::mt19937 random(2);
  std::vector<GenerationRequest> requests;
  for (int p = 0; p < prompts; ++p) {
    GenerationRequest request;
    request.prompt_id = p;
    for (int i = 0; i < kPromptTokens; ++i)
      request.prompt.push_back(static_cast<TokenId>(random() % Config().vocab_size));
    request.completions = completions;
    request.max_tokens = kNewTokens;
    requests.push_back(std::move(request));
  }
  double fastest = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    const auto start = Now();
    benchmark::DoNotOptimize(engine.Generate(requests).ok());
    fastest = std::min(fastest, Now() - start);
  }
  const GenerationEngine::Statistics& statistics = engine.statistics();
  const double runs = static_cast<double>(state.iterations());
  const double tokens = static_cast<double>(prompts) * completions * kNewTokens;
  const double forwarded =
      static_cast<double>(statistics.prompt_tokens) / runs + tokens - prompts * completions;
  const double flop = 2.0 * static_cast<double>(CountParameters(Config())) * forwarded;
  const double bytes =
      static_cast<double>(model->weight_bytes()) * static_cast<double>(statistics.steps) / runs;
  state.counters["tokens/s"] = tokens / fastest;
  state.counters["bandwidth"] = bytes / fastest / best_bytes_per_second;
  state.counters["products"] = flop / fastest / best_flop_per_second[bfloat16];
  state.counters["drawing"] =
      statistics.draw_seconds / (statistics.draw_seconds + statistics.forward_seconds);
}
BENCHMARK(Generate)
    ->Args({16, 8, 1})
    ->Args({16, 1, 1})
    ->Args({1, 1, 1})
    ->Args({16, 8, 0})
    ->Args({1, 1, 0})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
}  // namespace tpo

// A language model on the CPU: its weights, packed for the products, and forward passes over rows
// of any sequences at a time.
//
//   ModelDirectory / weight bundle ──► LanguageModel (immutable) ──► LanguageModelPass (one thread
//                                                                    team's memory)
//
// A row is one token at one position of one sequence. It attends to runs of cached positions, its
// own being the last one; so prefilling a prompt, decoding many sequences, the K completions of a
// prompt over the prompt's pages, and a tree of sequences in training are the same pass with
// different rows. What is computed for a row doesn't depend on the other rows, to the last bit
// (language_loops.h).
//
// No LibTorch. Errors of memory are std::bad_alloc.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/types.h"
#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/key_value_cache.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/thread_team.h"

namespace tpo {

template <typename T>
struct LanguageModelWeights;

// Gives the parameter of a name (LanguageModelTensors); valid while the model is made.
using TensorSource = std::function<SafetensorsView(const std::string& name)>;

// The tensors of a bundle (a weight snapshot), which must outlive the source. REQUIRES: the bundle
// has what is asked for; CheckModelBundle checks it.
TensorSource BundleSource(const TensorBundle& bundle);

// INVALID_ARGUMENT names the first tensor of the config that the bundle lacks or has in another
// shape, or as something else than floating point.
absl::Status CheckModelBundle(const LanguageModelConfig& config, const TensorBundle& bundle);

// Immutable and thread-safe; share it as std::shared_ptr<const LanguageModel>.
class LanguageModel {
 public:
  // `bfloat16`: the type of the computation, else float. `loops`: for tests; none: the best. The
  // source has every tensor of the config with its shape, as floating point. Throws std::bad_alloc.
  static std::shared_ptr<const LanguageModel> Create(const LanguageModelConfig& config,
                                                     const TensorSource& source, bool bfloat16,
                                                     const LanguageLoops* loops = nullptr);
  static std::shared_ptr<const LanguageModel> Create(const ModelDirectory& directory, bool bfloat16,
                                                     const LanguageLoops* loops = nullptr);
  ~LanguageModel();

  const LanguageModelConfig& config() const { return config_; }
  bool bfloat16() const { return bfloat16_weights_ != nullptr; }
  const LanguageLoops& loops() const { return loops_; }
  // For the logs, e.g. "llama 134.5 M parameters bfloat16 cpu avx512_bf16".
  std::string description() const;

  // What a token's forward pass reads and computes at least; for measurements.
  size_t weight_bytes() const;

  template <typename T>
  const LanguageModelWeights<T>& weights() const;

 private:
  LanguageModel(const LanguageModelConfig& config, const LanguageLoops& loops);

  const LanguageModelConfig config_;
  const LanguageLoops& loops_;
  std::unique_ptr<const LanguageModelWeights<float>> float_weights_;
  std::unique_ptr<const LanguageModelWeights<uint16_t>> bfloat16_weights_;
};

// One token of a forward pass.
struct LanguageModelRow {
  TokenId token = 0;
  int position = 0;
  // Runs of cached positions that it attends to, in order; the last position of the last run is its
  // own, where the pass puts its key and value.
  absl::Span<const VisiblePages> visible;
};

// "the log-prob of `token` after row `row`".
struct ScoredRow {
  int row = 0;
  TokenId token = 0;
};

inline constexpr int kScoredAtATime = 64;

// The memory of forward passes; one caller's at a time. Model, cache and team are borrowed.
class LanguageModelPass {
 public:
  virtual ~LanguageModelPass() = default;

  // Forwards `rows` through all layers. A row may attend to other rows of the same call. Returns
  // the logits after the rows `wanted` (indices into rows), row-major with stride logits_stride();
  // the caller's to overwrite, until the next call. `cache` is of the model's shape and type.
  // REQUIRES: at least one row, tokens within the vocabulary.
  virtual absl::Span<float> Forward(absl::Span<const LanguageModelRow> rows,
                                    absl::Span<const int> wanted, KeyValueCache& cache) = 0;
  virtual int64_t logits_stride() const = 0;

  // Forwards `rows` likewise; log_probs[e], natural logarithm, is that of scored[e].token after row
  // scored[e].row at `temperature`. Logits exist for kScoredAtATime rows at a time only, so memory
  // doesn't grow with rows times vocabulary. REQUIRES: `scored` is ascending by row.
  virtual void Score(absl::Span<const LanguageModelRow> rows, absl::Span<const ScoredRow> scored,
                     double temperature, KeyValueCache& cache, absl::Span<double> log_probs) = 0;

  static std::unique_ptr<LanguageModelPass> Create(std::shared_ptr<const LanguageModel> model,
                                                   ThreadTeam* team);
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_

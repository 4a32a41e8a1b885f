// A language model as it generates: its weights, and forward passes over rows of any sequences at a
// time.
//
//   ModelDirectory / weight bundle ──► LanguageModel (immutable) ──► LanguageModelPass (one thread
//                                                    │               team's memory)
//                                                    └─────────────► PagePool: keys and values
//
// A row is one token at one position of one sequence. It attends to runs of cached positions, its
// own being the last one; so prefilling a prompt, decoding many sequences, the K completions of a
// prompt over the prompt's pages, and a tree of sequences in training are the same pass with
// different rows.
//
// Two forms: kernels of our own on the CPU, made here, in which what is computed for a row doesn't
// depend on the other rows, to the last bit (language_loops.h); and LibTorch's operators on any
// device (policy/composed/composed_language_model.h), in which it does, by rounding.
//
// No LibTorch here. Errors of memory are std::bad_alloc; those of the other form are LibTorch's.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_

#include <cstddef>
#include <cstdint>
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
#include "policy/language_model/page_pool.h"
#include "policy/language_model/thread_team.h"

namespace tpo {

class LanguageModelPass;

// Gives the parameter of a name (LanguageModelTensors); valid while the model is made.
using TensorSource = std::function<SafetensorsView(const std::string& name)>;

// The tensors of a bundle (a weight snapshot), which must outlive the source. REQUIRES: the bundle
// has what is asked for; CheckModelBundle checks it.
TensorSource BundleSource(const TensorBundle& bundle);

// INVALID_ARGUMENT names the first tensor of the config that the bundle lacks or has in another
// shape, or as something else than floating point.
absl::Status CheckModelBundle(const LanguageModelConfig& config, const TensorBundle& bundle);

// Immutable and thread-safe; share it as std::shared_ptr<const LanguageModel>.
class LanguageModel : public std::enable_shared_from_this<LanguageModel> {
 public:
  // With kernels of the CPU. `bfloat16`: the type of the computation, else float. `loops`: for
  // tests; none: the best. The source has every tensor of the config with its shape, as floating
  // point. Throws std::bad_alloc.
  static std::shared_ptr<const LanguageModel> Create(const LanguageModelConfig& config,
                                                     const TensorSource& source, bool bfloat16,
                                                     const LanguageLoops* loops = nullptr);
  static std::shared_ptr<const LanguageModel> Create(const ModelDirectory& directory, bool bfloat16,
                                                     const LanguageLoops* loops = nullptr);
  virtual ~LanguageModel() = default;

  const LanguageModelConfig& config() const { return config_; }
  virtual bool bfloat16() const = 0;
  // For what is computed from logits on the host.
  virtual const LanguageLoops& loops() const = 0;
  // For the logs, e.g. "llama 134.5 M parameters bfloat16 cpu avx512_bf16".
  virtual std::string description() const = 0;

  // What a token's forward pass reads and computes at least; for measurements.
  virtual size_t weight_bytes() const = 0;

  // A cache of at most `bytes` for passes of this model, and of others of its config, type and
  // form.
  virtual std::unique_ptr<PagePool> NewCache(uint64_t bytes) const = 0;

 protected:
  explicit LanguageModel(const LanguageModelConfig& config) : config_(config) {}

 private:
  friend class LanguageModelPass;
  virtual std::unique_ptr<LanguageModelPass> NewPass(ThreadTeam* team) const = 0;

  const LanguageModelConfig config_;
};

// Makes models of one form; throws as that form's errors of memory are.
using LanguageModelFactory = std::function<std::shared_ptr<const LanguageModel>(
    const LanguageModelConfig& config, const TensorSource& source, bool bfloat16)>;

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
  // the caller's to overwrite, until the next call. REQUIRES: at least one row, tokens within the
  // vocabulary; `cache` is from NewCache, or a KeyValueCache where kernels of the CPU compute.
  virtual absl::Span<float> Forward(absl::Span<const LanguageModelRow> rows,
                                    absl::Span<const int> wanted, PagePool& cache) = 0;
  virtual int64_t logits_stride() const = 0;

  // Forwards `rows` likewise; log_probs[e], natural logarithm, is that of scored[e].token after row
  // scored[e].row at `temperature`. Logits exist for kScoredAtATime rows at a time only, so memory
  // doesn't grow with rows times vocabulary. REQUIRES: `scored` is ascending by row.
  virtual void Score(absl::Span<const LanguageModelRow> rows, absl::Span<const ScoredRow> scored,
                     double temperature, PagePool& cache, absl::Span<double> log_probs) = 0;

  static std::unique_ptr<LanguageModelPass> Create(
      const std::shared_ptr<const LanguageModel>& model, ThreadTeam* team) {
    return model->NewPass(team);
  }
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_H_

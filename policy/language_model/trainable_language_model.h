// A language model whose weights change: forward and backward passes over prefix trees, written out
// by hand (decision 12). No LibTorch: parameters and gradients are float32 arrays by name.
//
//   parameters ──SetParameters──► packed weights ──Forward──► KeptForward ──Backward──► gradients
//
// One caller at a time; computes with its own threads, and no result depends on their number.
// Errors of memory are std::bad_alloc.
#ifndef TPO_POLICY_LANGUAGE_MODEL_TRAINABLE_LANGUAGE_MODEL_H_
#define TPO_POLICY_LANGUAGE_MODEL_TRAINABLE_LANGUAGE_MODEL_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/types/span.h"
#include "policy/hugging_face/model_config.h"
#include "policy/language_model/kept_forward.h"
#include "policy/language_model/linear_gradient.h"
#include "policy/language_model/lora.h"
#include "policy/language_model/thread_team.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

class TrainableLanguageModel {
 public:
  virtual ~TrainableLanguageModel() = default;

  // Without weights yet. `bfloat16`: the type of the computation, else float. `threads`: 0: one per
  // core. `lora`: gradients are those of its adapters. `loops`: for tests; none: the best.
  static std::unique_ptr<TrainableLanguageModel> Create(
      const LanguageModelConfig& config, bool bfloat16, int threads,
      const std::optional<LoraSpec>& lora = std::nullopt, const LanguageLoops* loops = nullptr);

  // Rounds and packs parameters; one for which the source gives nullptr stays as it was. The first
  // call gives all. With adapters the source gives these too, and merged weights of their modules;
  // a product's modules are all given or none.
  virtual void SetParameters(const ParameterSource& source) = 0;

  // Log-prob of each scored token of `tree` into kept->log_probs, with what Backward needs. The
  // temperature counts as a float, as it does in sampling.
  virtual void Forward(const PrefixTree& tree, double temperature, KeptForward* kept) = 0;
  // Adds the gradient of Σ coefficients[e] · log-prob[e] to the targets. The weights are those of
  // the Forward.
  virtual void Backward(absl::Span<const double> coefficients, const KeptForward& kept,
                        const GradientTarget& target) = 0;

  virtual ThreadTeam& team() = 0;
  virtual const LanguageLoops& loops() const = 0;
  // Of the memory that all passes share, without weights.
  virtual size_t working_bytes() const = 0;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TRAINABLE_LANGUAGE_MODEL_H_

// Forward passes of the composed form over rows and a cache of pages on the device. Internal to
// policy/composed/.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_GENERATION_H_
#define TPO_POLICY_COMPOSED_COMPOSED_GENERATION_H_

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "policy/composed/composed_layers.h"
#include "policy/composed/composed_weights.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/page_pool.h"

namespace tpo {

// Keys and values of each layer [pages · kPagePositions, key-value heads, head_dim].
class ComposedCache : public PagePool {
 public:
  ComposedCache(const LanguageModelConfig& config, int pages, const at::TensorOptions& options);

  static size_t PageBytes(const LanguageModelConfig& config, bool bfloat16);

  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
};

// One caller's at a time. Borrows config and weights.
class ComposedGeneration {
 public:
  ComposedGeneration(const LanguageModelConfig* config, const ComposedWeights* weights)
      : config_(*config), weights_(*weights) {}

  // Forwards rows through all layers; normalised rows `wanted` as the head takes them.
  // REQUIRES: `cache` is a ComposedCache on the weights' device.
  at::Tensor Hidden(absl::Span<const LanguageModelRow> rows, const at::Tensor& wanted,
                    PagePool& cache) const;
  // The logits after rows on the host, float32, row-major; until the next call.
  absl::Span<float> Logits(absl::Span<const LanguageModelRow> rows, absl::Span<const int> wanted,
                           PagePool& cache);

  at::Device device() const { return weights_.embedding.device(); }

 private:
  const LanguageModelConfig& config_;
  const ComposedWeights& weights_;
  at::Tensor host_logits_;  // [rows so far at most, vocabulary]
};

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_GENERATION_H_

// A language model whose weights are packed for the products of language_loops.h. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_CPU_LANGUAGE_MODEL_H_
#define TPO_POLICY_LANGUAGE_MODEL_CPU_LANGUAGE_MODEL_H_

#include <memory>
#include <string>

#include "policy/language_model/language_model.h"
#include "policy/language_model/language_model_weights.h"

namespace tpo {

class CpuLanguageModel : public LanguageModel {
 public:
  CpuLanguageModel(const LanguageModelConfig& config, const TensorSource& source, bool bfloat16,
                   const LanguageLoops& loops);

  bool bfloat16() const override { return bfloat16_weights_ != nullptr; }
  const LanguageLoops& loops() const override { return loops_; }
  std::string description() const override;
  size_t weight_bytes() const override;
  std::unique_ptr<PagePool> NewCache(uint64_t bytes) const override;

  // T: float or uint16_t, the type of the computation.
  template <typename T>
  const LanguageModelWeights<T>& weights() const;

 private:
  std::unique_ptr<LanguageModelPass> NewPass(ThreadTeam* team) const override;

  const LanguageLoops& loops_;
  std::unique_ptr<const LanguageModelWeights<float>> float_weights_;
  std::unique_ptr<const LanguageModelWeights<uint16_t>> bfloat16_weights_;
};

template <>
inline const LanguageModelWeights<float>& CpuLanguageModel::weights<float>() const {
  return *float_weights_;
}

template <>
inline const LanguageModelWeights<uint16_t>& CpuLanguageModel::weights<uint16_t>() const {
  return *bfloat16_weights_;
}

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_CPU_LANGUAGE_MODEL_H_

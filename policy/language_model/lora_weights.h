// The frozen weights under adapters, and what they are with the adapters merged. Internal to
// policy/language_model/ and the policy.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LORA_WEIGHTS_H_
#define TPO_POLICY_LANGUAGE_MODEL_LORA_WEIGHTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/lora.h"
#include "policy/language_model/thread_team.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

class LoraWeights {
 public:
  // Copies the weights of products that have adapters, in the directory's types. INVALID_ARGUMENT:
  // as LoraModules.
  static absl::StatusOr<LoraWeights> Create(const ModelDirectory& directory, const LoraSpec& spec);

  // A source of parameters for TrainableLanguageModel: the adapters from `adapters`, the weights of
  // products that have some, merged, with the threads of `team`; nullptr for the rest, or with
  // `directory` its value. Values stay until the next of the same kind is asked for ("q_proj" of
  // another layer). All borrowed.
  ParameterSource Source(const ParameterSource& adapters, const ModelDirectory* directory,
                         ThreadTeam* team);
  // Gives back the memory of the values.
  void Clear() { values_.clear(); }

  const std::vector<LoraModule>& modules() const { return modules_; }

 private:
  const float* Merged(const TensorSpec& base, const ParameterSource& adapters, ThreadTeam* team);

  LoraSpec spec_;
  std::vector<LoraModule> modules_;
  std::map<std::string, const LoraModule*> module_of_;  // by weight
  TensorBundle base_;
  std::map<std::string, std::vector<float>> values_;  // by the name's last two parts
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LORA_WEIGHTS_H_

// Writes adapters as PEFT and transformers load them.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LORA_EXPORT_H_
#define TPO_POLICY_LANGUAGE_MODEL_LORA_EXPORT_H_

#include <string>

#include "absl/status/status.h"
#include "core/file_system.h"
#include "core/weight_snapshot.h"
#include "policy/language_model/lora.h"

namespace tpo {

// adapter_model.safetensors with `adapters` (float32, under their names in lora.h) and
// adapter_config.json, which names `base`, the model that they belong to. `directory` appears
// complete or not at all. FAILED_PRECONDITION: it is there and not empty.
absl::Status ExportAdapters(FileSystem* file_system, const std::string& base, const LoraSpec& spec,
                            const TensorBundle& adapters, const std::string& directory);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LORA_EXPORT_H_

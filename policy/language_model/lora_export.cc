#include "policy/language_model/lora_export.h"

#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/hugging_face/whole_directory.h"
#include "policy/safetensors.h"

namespace tpo {

absl::Status ExportAdapters(FileSystem* file_system, const std::string& base, const LoraSpec& spec,
                            const TensorBundle& adapters, const std::string& directory) {
  const nlohmann::ordered_json config = {
      {"peft_type", "LORA"}, {"task_type", "CAUSAL_LM"}, {"base_model_name_or_path", base},
      {"r", spec.rank},      {"lora_alpha", spec.alpha}, {"target_modules", spec.target_modules},
      {"lora_dropout", 0.0}, {"bias", "none"},           {"fan_in_fan_out", false},
      {"use_rslora", false}, {"inference_mode", true},
  };
  return WriteWholeDirectory(file_system, directory, [&](const std::string& partial) {
    TPO_RETURN_IF_ERROR(WriteSafetensors(
        file_system, JoinPath(partial, "adapter_model.safetensors"), adapters, {{"format", "pt"}}));
    return file_system->WriteFile(JoinPath(partial, "adapter_config.json"),
                                  {config.dump(2) + "\n"});
  });
}

}  // namespace tpo

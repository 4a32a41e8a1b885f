// The commands on a language model's directory: `tpo generate` and `tpo export`.
#ifndef TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_
#define TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_

#include <string>

#include "absl/status/status.h"
#include "core/weight_snapshot.h"
#include "policy/language_model/language_model.h"
#include "services/cli/command_line.h"

namespace tpo {

// With the model in `directory`, and with `weights` in place of its own where they are given (its
// names and shapes). `factory`: makes what computes; none: with kernels of the CPU.
absl::Status GenerateWithLanguageModel(const GenerateCommand& command, const std::string& directory,
                                       const TensorBundle* weights,
                                       const LanguageModelFactory& factory = nullptr);
// REQUIRES: IsModelDirectory(command.run), here and below.
inline absl::Status GenerateWithLanguageModel(const GenerateCommand& command) {
  return GenerateWithLanguageModel(command, command.run, nullptr);
}
absl::Status ExportLanguageModel(const ExportCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_

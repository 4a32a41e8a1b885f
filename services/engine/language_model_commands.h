// The commands on a language model's directory: `tpo generate` and `tpo export`.
#ifndef TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_
#define TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_

#include "absl/status/status.h"
#include "services/cli/command_line.h"

namespace tpo {

// REQUIRES: IsModelDirectory(command.run), here and below.
absl::Status GenerateWithLanguageModel(const GenerateCommand& command);
absl::Status ExportLanguageModel(const ExportCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_LANGUAGE_MODEL_COMMANDS_H_

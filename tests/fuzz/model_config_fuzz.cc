// config.json, generation_config.json and model.safetensors.index.json of a Hugging Face model.
#include <string>
#include <string_view>

#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"
#include "tests/fuzz/fuzz.h"

namespace {

void CheckIndex(std::string_view text) {
  const auto file_of = tpo::ParseTensorIndex(text);
  if (!file_of.ok()) return;
  for (const auto& [tensor, file] : *file_of) {
    tpo::Require(!file.empty() && file != "." && file != ".." &&
                     file.find_first_of(std::string_view("/\0", 2)) == std::string::npos,
                 "a file is one of the directory");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckIndex(text);
  (void)tpo::ParseEndTokens(text);
  const auto config = tpo::ParseLanguageModelConfig(text);
  if (!config.ok()) return 0;
  tpo::Require(
      config->heads > 0 && config->layers > 0 && config->hidden_size > 0 && config->vocab_size > 0,
      "sizes are positive");
  tpo::Require(tpo::CountParameters(*config) > 0, "the number of parameters fits its type");
  if (config->layers <= 64) (void)tpo::LanguageModelTensors(*config);
  if (config->head_dim <= 65536) (void)tpo::RotaryFrequencies(*config);
  return 0;
}

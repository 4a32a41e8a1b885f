// config.json and generation_config.json of a Hugging Face model.
#include <string_view>

#include "policy/hugging_face/model_config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
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

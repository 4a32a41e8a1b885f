// A real language model, SmolLM2-135M-Instruct, against transformers (golden/smollm2). Skipped
// unless the model is there: in $TPO_SMOLLM2_DIR, or where `./dev model smollm2` puts it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "policy/hugging_face/model_directory.h"
#include "rollout/generation_engine.h"
#include "tests/golden_data.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

std::string SmolLm2Directory() {
  if (const char* given = std::getenv("TPO_SMOLLM2_DIR"); given != nullptr) return given;
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  return (cache != nullptr ? std::string(cache)
                           : std::string(home != nullptr ? home : "") + "/.cache") +
         "/tpo/models/smollm2";
}

class SmolLm2GoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = SmolLm2Directory();
    if (!std::filesystem::exists(path + "/model.safetensors"))
      GTEST_SKIP() << "SKIPPED: no model in " << path << "; `./dev model smollm2` makes it";
    const auto directory = ModelDirectory::Open(path);
    ASSERT_TRUE(directory.ok()) << directory.status();
    model_ = LanguageModel::Create(**directory, /*bfloat16=*/false);
    end_tokens_ = (*directory)->end_tokens();
    const auto golden = GoldenJsonOrDie("smollm2/golden.json");
    for (const auto& chat : golden.at("chats"))
      prompts_.push_back(chat.at("prompt_ids").get<std::vector<TokenId>>());
  }

  std::shared_ptr<const LanguageModel> model_;
  std::vector<TokenId> end_tokens_;
  std::vector<std::vector<TokenId>> prompts_;
};

TEST_F(SmolLm2GoldenTest, LogitsLogProbsAndGreedyTokensAreTransformers) {
  const auto golden =
      ReadGoldenTensors((*GoldenDirectory() / "smollm2" / "golden.safetensors").string());
  for (size_t chat = 0; chat < prompts_.size(); ++chat) {
    const auto logits = LogitsOf(model_, prompts_[chat], 2);
    const GoldenTensor& last = golden.at(std::to_string(chat) + ".logits_last");
    double worst = 0.0;
    for (size_t token = 0; token < last.values.size(); ++token)
      worst = std::max<double>(worst, std::abs(logits.back()[token] - last.values[token]));
    EXPECT_LT(worst, 1e-3);  // of logits up to about 30, thirty layers deep
    const GoldenTensor& log_probs = golden.at(std::to_string(chat) + ".logprobs");
    for (size_t i = 0; i + 1 < prompts_[chat].size(); ++i) {
      EXPECT_NEAR(LogSoftmax(logits[i])[prompts_[chat][i + 1]], log_probs.values[i], 5e-4);
    }
  }
  GenerationEngine engine({.threads = 2, .cache_bytes = 64 << 20}, model_, 0);
  std::vector<GenerationRequest> requests;
  for (const auto& prompt : prompts_) {
    GenerationRequest request;
    request.prompt = prompt;
    request.max_tokens = 24;
    request.sampling.temperature = 0.0F;
    request.stop_tokens = end_tokens_;
    requests.push_back(std::move(request));
  }
  const auto groups = engine.Generate(requests).value();
  const auto chats = GoldenJsonOrDie("smollm2/golden.json").at("chats");
  for (size_t chat = 0; chat < groups.size(); ++chat) {
    EXPECT_EQ(groups[chat][0].tokens, chats[chat].at("greedy_ids").get<std::vector<TokenId>>());
  }
}

}  // namespace
}  // namespace tpo

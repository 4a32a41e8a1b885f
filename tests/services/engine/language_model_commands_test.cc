#include "services/engine/language_model_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "policy/hugging_face/model_directory.h"
#include "services/cli/exit_status.h"
#include "tests/policy/hugging_face/model_fixture.h"

namespace tpo {
namespace {

using testing::HasSubstr;

class LanguageModelCommandsTest : public testing::Test {
 protected:
  LanguageModelCommandsTest()
      : path_(testing::TempDir() + "/language_model_" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_);
    std::filesystem::remove_all(path_ + "_out");
    WriteModel(path_, SmallConfigJson(), RandomWeights(SmallConfig(), 1));
  }

  GenerateCommand Generate() const {
    GenerateCommand command;
    command.run = path_;
    command.language_model.tokens = "5 6,7";
    command.language_model.max_tokens = 12;
    command.language_model.json = true;
    return command;
  }

  static std::string OutputOf(const GenerateCommand& command) {
    testing::internal::CaptureStdout();
    const absl::Status status = GenerateWithLanguageModel(command);
    const std::string output = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(status.ok()) << status;
    return output;
  }

  const std::string path_;
};

TEST_F(LanguageModelCommandsTest, GeneratesTheSameForTheSameSeed) {
  GenerateCommand command = Generate();
  command.samples = 3;
  const std::string output = OutputOf(command);
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 3);
  const auto first = nlohmann::json::parse(output.substr(0, output.find('\n')));
  EXPECT_LE(first["tokens"].size(), 12U);
  EXPECT_EQ(first["tokens"].size(), first["log_probs"].size());
  EXPECT_EQ(OutputOf(command), output);
  command.language_model.threads = 1;
  EXPECT_EQ(OutputOf(command), output);
  command.language_model.seed = 1;
  EXPECT_NE(OutputOf(command), output);
}

TEST_F(LanguageModelCommandsTest, ATemperatureOfZeroIsGreedy) {
  GenerateCommand command = Generate();
  command.language_model.temperature = 0.0;
  const std::string output = OutputOf(command);
  command.greedy = true;
  command.language_model.temperature = 1.0;
  command.language_model.seed = 9;
  EXPECT_EQ(OutputOf(command), output);
}

TEST_F(LanguageModelCommandsTest, BannedTokensAreNeverDrawn) {
  GenerateCommand command = Generate();
  command.greedy = true;
  const auto tokens = [&] {
    return nlohmann::json::parse(OutputOf(command))["tokens"].get<std::vector<int>>();
  };
  const std::vector<int> free = tokens();
  command.language_model.ban = std::to_string(free[0]) + ", " + std::to_string(free[1]);
  EXPECT_THAT(tokens(), testing::Each(testing::AllOf(testing::Ne(free[0]), testing::Ne(free[1]))));
  command.language_model.ban = "77";
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()),
              HasSubstr("banned token is 77"));
  command.language_model.ban = "1 x";
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()),
              HasSubstr("--ban: x is no token's number"));
}

TEST_F(LanguageModelCommandsTest, AModelThatHasDivergedIsAFailure) {
  std::filesystem::remove_all(path_);
  WriteModel(path_, SmallConfigJson(), DivergedWeights(SmallConfig(), 1));
  GenerateCommand command = Generate();
  for (const bool greedy : {true, false}) {
    command.greedy = greedy;
    const absl::Status status = GenerateWithLanguageModel(command);
    EXPECT_EQ(ExitStatusOf(status), kExitFailed) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("infinite or not numbers"));
  }
}

TEST_F(LanguageModelCommandsTest, SaysWhatIsMissing) {
  GenerateCommand command = Generate();
  command.language_model.tokens = "";
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()), HasSubstr("--prompt"));
  command.language_model.prompts = {"text"};
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()),
              HasSubstr("holds no tokenizer.json"));
  command.language_model.tokens = "5 x";
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()),
              HasSubstr("x is no token's number"));
  command.language_model.prompts = {};
  command.language_model.tokens = "5 77";
  EXPECT_THAT(std::string(GenerateWithLanguageModel(command).message()),
              HasSubstr("the vocabulary has 77"));
}

TEST_F(LanguageModelCommandsTest, ExportsInTheTypeThatIsAskedFor) {
  ExportCommand command;
  command.run = path_;
  command.directory = path_ + "_out";
  command.type = "bfloat16";
  ASSERT_TRUE(ExportLanguageModel(command).ok());
  const auto exported = ModelDirectory::Open(command.directory);
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ((*exported)->tensor("model.norm.weight").spec.type, TensorType::kBfloat16);
  std::ifstream config(command.directory + "/config.json");
  EXPECT_EQ(nlohmann::json::parse(config)["torch_dtype"], "bfloat16");
  EXPECT_EQ(ExportLanguageModel(command).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tpo

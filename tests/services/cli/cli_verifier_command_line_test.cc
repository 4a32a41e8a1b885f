#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "services/cli/verifier_command_line.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;

std::variant<VerifierCommand, VerifierExit> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tpo-verifier");
  return ParseVerifierCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(VerifierCommandLineTest, TakesAllItsFlags) {
  const auto parsed = Parse({"--listen", "0.0.0.0:0", "--insecure", "--config", "judge.yaml",
                             "--metrics_listen", "0.0.0.0:9090"});
  const auto* command = std::get_if<VerifierCommand>(&parsed);
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->listen, "0.0.0.0:0");
  EXPECT_TRUE(command->insecure);
  EXPECT_EQ(command->config, "judge.yaml");
  EXPECT_EQ(command->metrics_listen, "0.0.0.0:9090");
}

TEST(VerifierCommandLineTest, RefusesWithStatusTwo) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{}, "--listen is required"},
      {{"--listen", "here"}, "is not HOST:PORT"},
      {{"--listen", "0.0.0.0:1"}, "0.0.0.0:1 is not on loopback"},
      {{"--listen", "localhost:1", "surplus"}, "surplus"}};
  for (const auto& [arguments, text] : cases) {
    const auto parsed = Parse(arguments);
    const auto* exit = std::get_if<VerifierExit>(&parsed);
    ASSERT_NE(exit, nullptr) << text;
    EXPECT_EQ(exit->status, 2);
    EXPECT_THAT(exit->text, HasSubstr(text));
    EXPECT_THAT(exit->text, HasSubstr("Try tpo-verifier --help.\n"));
  }
}

TEST(VerifierCommandLineTest, HelpAndVersionNeedNoOtherFlag) {
  for (const char* flag : {"--help", "--version"}) {
    const auto parsed = Parse({flag});
    const auto* exit = std::get_if<VerifierExit>(&parsed);
    ASSERT_NE(exit, nullptr);
    EXPECT_EQ(exit->status, 0);
    EXPECT_THAT(exit->text, HasSubstr("tpo-verifier"));
  }
}

}  // namespace
}  // namespace tpo

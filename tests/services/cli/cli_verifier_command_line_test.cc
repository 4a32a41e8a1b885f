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
  EXPECT_EQ(command->max_concurrent_groups, 0);
}

TEST(VerifierCommandLineTest, TakesPlaintextsPlaceByTls) {
  const auto parsed = Parse({"--listen", "0.0.0.0:0", "--tls_certificate", "server.pem",
                             "--tls_key", "server.key", "--tls_client_ca", "workers.pem",
                             "--max_concurrent_groups", "64", "--max_connection_age", "7"});
  const auto* command = std::get_if<VerifierCommand>(&parsed);
  ASSERT_NE(command, nullptr) << std::get<VerifierExit>(parsed).text;
  EXPECT_FALSE(command->insecure);
  EXPECT_EQ(command->tls_certificate, "server.pem");
  EXPECT_EQ(command->tls_key, "server.key");
  EXPECT_EQ(command->tls_client_ca, "workers.pem");
  EXPECT_EQ(command->max_concurrent_groups, 64);
  EXPECT_EQ(command->max_connection_age_seconds, 7);
}

TEST(VerifierCommandLineTest, OtherProgramsHaveTheirNameAndNoConfig) {
  VerifierProgram program;
  program.name = "judge";
  const std::vector<const char*> config = {"judge", "--listen", "127.0.0.1:0", "--config", "x"};
  const auto refused =
      ParseVerifierCommandLine(static_cast<int>(config.size()), config.data(), program);
  ASSERT_NE(std::get_if<VerifierExit>(&refused), nullptr);
  EXPECT_THAT(std::get<VerifierExit>(refused).text, HasSubstr("Try judge --help."));
  const std::vector<const char*> help = {"judge", "--help"};
  const auto helped = ParseVerifierCommandLine(static_cast<int>(help.size()), help.data(), program);
  EXPECT_THAT(std::get<VerifierExit>(helped).text,
              testing::AllOf(HasSubstr("judge --listen"), testing::Not(HasSubstr("--config"))));
}

TEST(VerifierCommandLineTest, RefusesWithStatusTwo) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{}, "--listen is required"},
      {{"--listen", "here"}, "is not HOST:PORT"},
      {{"--listen", "0.0.0.0:1"}, "0.0.0.0:1 is not on loopback"},
      {{"--listen", "localhost:1", "surplus"}, "surplus"},
      {{"--listen", "localhost:1", "--max_concurrent_groups", "0"}, "max_concurrent_groups"},
      {{"--listen", "localhost:1", "--tls_certificate", "server.pem"}, "--tls_key"},
      {{"--listen", "localhost:1", "--tls_key", "server.key"}, "--tls_certificate"},
      {{"--listen", "localhost:1", "--tls_client_ca", "workers.pem"}, "--tls_certificate"}};
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

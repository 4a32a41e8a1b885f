// The program tpo-verifier, as its users run it.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_verifier_client.h"
#include "tests/core/scratch_directory.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A process whose stdout and stderr are read line by line.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    int pipe_fds[2];
    EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      const std::string program = std::string(std::getenv("TPO_BIN_DIR")) + "/tpo-verifier";
      std::vector<char*> argv = {const_cast<char*>(program.c_str())};
      for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      dup2(pipe_fds[1], STDOUT_FILENO);
      dup2(pipe_fds[1], STDERR_FILENO);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    close(pipe_fds[1]);
    output_ = fdopen(pipe_fds[0], "r");
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    fclose(output_);
  }

  std::string ReadLine() {
    std::string line;
    for (int c = 0; (c = fgetc(output_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return line;
  }
  void Signal(int number) const { kill(pid_, number); }
  // Exit status; -1 when a signal ended it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  FILE* output_ = nullptr;
};

std::string AddressIn(const std::string& line, const std::string& prefix) {
  EXPECT_THAT(line, StartsWith(prefix));
  return line.substr(prefix.size());
}

VerifyRequest CopyTask() {
  VerifyRequest request;
  request.prompt.task = "sequence/copy/terminal";
  request.prompt.tokens = {0, 1};
  request.prompt.reference_tokens = {0, 1};
  for (const TokenId last : {1, 0}) {
    Completion completion;
    completion.tokens = {0, last};
    completion.finish_reason = FinishReason::kLength;
    request.completions.push_back(completion);
  }
  return request;
}

TEST(TpoVerifier, ScoresUntilItIsToldToEnd) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Process process({"--listen", "127.0.0.1:0", "--metrics_listen", "127.0.0.1:0"});
    AddressIn(process.ReadLine(), "metrics on ");
    const std::string address = AddressIn(process.ReadLine(), "listening on ");
    GrpcVerifierClient client(MakeVerifierChannel({.address = address}).value());
    EXPECT_THAT(client.Describe()->tasks, testing::Contains("sequence/*"));
    const std::vector<Verdict> verdicts = client.Verify(CopyTask()).value();
    ASSERT_EQ(verdicts.size(), 2);
    EXPECT_EQ(verdicts[0].score, 1);
    EXPECT_EQ(verdicts[1].score, 0);
    process.Signal(signal);
    EXPECT_EQ(process.Wait(), 0);
  }
}

TEST(TpoVerifier, RefusesAnOccupiedPort) {
  Process first({"--listen", "127.0.0.1:0"});
  const std::string address = AddressIn(first.ReadLine(), "listening on ");
  Process second({"--listen", address});
  EXPECT_EQ(second.ReadLine(),
            "tpo-verifier: can't listen on " + address + ": Address already in use");
  EXPECT_EQ(second.Wait(), 2);
}

TEST(TpoVerifier, RefusesPlaintextOffLoopback) {
  Process process({"--listen", "0.0.0.0:0"});
  EXPECT_EQ(process.Wait(), 2);
  Process insecure({"--listen", "0.0.0.0:0", "--insecure"});
  AddressIn(insecure.ReadLine(), "listening on 0.0.0.0:");
}

TEST(TpoVerifier, RefusesAConfigThatIsNotThere) {
  Process process({"--listen", "127.0.0.1:0", "--config", "/nowhere.yaml"});
  EXPECT_THAT(process.ReadLine(), HasSubstr("/nowhere.yaml"));
  EXPECT_EQ(process.Wait(), 2);
}

TEST(TpoVerifier, ServesWhatItsConfigNames) {
  const ScratchDirectory scratch;
  const std::string config = scratch / "judge.yaml";
  std::ofstream(config) << "verifier_service: {verifiers: [{tasks: [capitals], exact_match: "
                           "{ignore_case: true}}]}\n";
  Process process({"--listen", "127.0.0.1:0", "--config", config});
  const std::string address = AddressIn(process.ReadLine(), "listening on ");
  GrpcVerifierClient client(MakeVerifierChannel({.address = address}).value());
  EXPECT_EQ(client.Describe()->verifier, "exact_match");
  EXPECT_THAT(client.Describe()->tasks, testing::ElementsAre("capitals"));
  VerifyRequest request = CopyTask();
  request.prompt.task = "capitals";
  request.prompt.reference_answer = "Bern";
  request.completions[0].text = "BERN";
  request.completions[1].text = "Rom";
  const std::vector<Verdict> verdicts = client.Verify(request).value();
  EXPECT_EQ(verdicts[0], Verdict::Scored(1));
  EXPECT_EQ(verdicts[1], Verdict::Scored(0));
}

TEST(TpoVerifier, RefusesAConfigWithAMistakeAndSaysWhere) {
  const ScratchDirectory scratch;
  const std::string config = scratch / "judge.yaml";
  std::ofstream(config) << "verifier_service:\n  verifiers:\n    - {exact_mach: {}}\n";
  Process process({"--listen", "127.0.0.1:0", "--config", config});
  EXPECT_THAT(process.ReadLine(),
              HasSubstr(config + ":3: verifier_service.verifiers[0].exact_mach: is no field"));
  EXPECT_EQ(process.Wait(), 2);
}

TEST(TpoVerifier, ServesTheExampleOfBuiltInVerifiers) {
  Process process({"--listen", "127.0.0.1:0", "--config", "examples/verifiers/built_in.yaml"});
  const std::string address = AddressIn(process.ReadLine(), "listening on ");
  GrpcVerifierClient client(MakeVerifierChannel({.address = address}).value());
  VerifyRequest request = CopyTask();
  request.prompt.task = "estimates";
  request.prompt.reference_answer = "1,000";
  request.completions.resize(3, request.completions[0]);
  request.completions[0].text = "about 1.005e3";
  request.completions[1].text = "1,234";
  const std::vector<Verdict> verdicts = client.Verify(request).value();
  EXPECT_EQ(verdicts[0].score, 1);
  EXPECT_EQ(verdicts[1].score, 0);
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kScored) << "an empty completion is wrong, not failed";
  request.prompt.reference_answer = "a lot";
  EXPECT_EQ(client.Verify(request).value()[0].kind, VerdictKind::kFailed);
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
}

TEST(TpoVerifier, RefusesAPatternThatIsNoneAndNamesItsField) {
  const ScratchDirectory scratch;
  const std::string config = scratch / "judge.yaml";
  std::ofstream(config) << "verifier_service: {verifiers: [{regex: {pattern: '(a'}}]}\n";
  Process process({"--listen", "127.0.0.1:0", "--config", config});
  EXPECT_THAT(process.ReadLine(), HasSubstr("verifier_service.verifiers[0]: regex.pattern: "));
  EXPECT_EQ(process.Wait(), 2);
}

TEST(TpoVerifier, RefusesACertificateThatIsNotThere) {
  Process process({"--listen", "127.0.0.1:0", "--tls_certificate", "/nowhere.pem", "--tls_key",
                   "/nowhere.key"});
  EXPECT_THAT(process.ReadLine(), HasSubstr("/nowhere.pem: cannot be read"));
  EXPECT_EQ(process.Wait(), 2);
}

TEST(TpoVerifier, HelpsWithoutFurtherArguments) {
  Process process({"--help"});
  EXPECT_NE(process.ReadLine(), "");
  EXPECT_EQ(process.Wait(), 0);
}

}  // namespace
}  // namespace tpo

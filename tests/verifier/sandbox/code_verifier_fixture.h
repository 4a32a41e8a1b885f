// A code verifier in one of the three ways in which a machine may allow it, and what tests ask of
// it.
#ifndef TPO_TESTS_VERIFIER_SANDBOX_CODE_VERIFIER_FIXTURE_H_
#define TPO_TESTS_VERIFIER_SANDBOX_CODE_VERIFIER_FIXTURE_H_

#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "verifier/sandbox/code_verifier.h"

namespace tpo {

enum class Isolation {
  kNamespaces,    // all that the helper can make itself
  kBubblewrap,    // namespaces made by bubblewrap
  kNoNamespaces,  // seccomp and Landlock alone, as in a container that allows no namespaces
};

inline const char* IsolationName(Isolation isolation) {
  switch (isolation) {
    case Isolation::kNamespaces:
      return "Namespaces";
    case Isolation::kBubblewrap:
      return "Bubblewrap";
    case Isolation::kNoNamespaces:
      return "NoNamespaces";
  }
  return "";
}

// Small limits, since tests run into them. In the environment of every program stands a word by
// which its processes can be told from others.
inline CodeVerifierOptions TestOptions(Isolation isolation) {
  CodeVerifierOptions options;
  options.concurrent_executions = 2;
  SandboxOptions& sandbox = options.sandbox;
  sandbox.interpreter = {"/usr/bin/python3", "-s", "-B"};
  if (const char* folder = std::getenv("TPO_BIN_DIR"); folder != nullptr) {
    sandbox.helper = absl::StrCat(folder, "/tpo-sandbox");
  }
  // In memory, since removing many files from a disk takes seconds on some.
  if (access("/dev/shm", W_OK) == 0) sandbox.work_root = "/dev/shm";
  sandbox.limits.cpu = absl::Seconds(1);
  sandbox.limits.wall = absl::Seconds(2);
  sandbox.limits.memory_bytes = 256 << 20;
  sandbox.limits.disk_bytes = 16 << 20;
  sandbox.limits.file_bytes = 4 << 20;
  sandbox.limits.tasks = 24;
  sandbox.environment.push_back(absl::StrCat("TPO_TEST_MARK=mark-", getpid()));
  switch (isolation) {
    case Isolation::kNamespaces:
      sandbox.disabled_layers = kLayerBubblewrap;
      sandbox.required_layers |= kLayerPidNamespace | kLayerMountNamespace | kLayerNetworkNamespace;
      break;
    case Isolation::kBubblewrap:
      sandbox.disabled_layers = kOwnNamespaceLayers;
      sandbox.required_layers |= kLayerBubblewrap;
      break;
    case Isolation::kNoNamespaces:
      sandbox.disabled_layers = kOwnNamespaceLayers | kLayerBubblewrap;
      break;
  }
  return options;
}

// Processes of our executions that are still there; zombies count.
inline int LeftoverProcesses() {
  const std::string mark = absl::StrCat("TPO_TEST_MARK=mark-", getpid());
  int count = 0;
  DIR* processes = opendir("/proc");
  while (const struct dirent* entry = readdir(processes)) {
    std::ifstream file(absl::StrCat("/proc/", entry->d_name, "/environ"));
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (text.find(mark) != std::string::npos) ++count;
  }
  closedir(processes);
  return count;
}

// A verifier, or none and the reason, where this machine doesn't allow it; any other reason is a
// failure.
inline std::unique_ptr<CodeVerifier> MakeVerifier(const CodeVerifierOptions& options,
                                                  std::string* reason) {
  absl::StatusOr<std::unique_ptr<CodeVerifier>> verifier = CodeVerifier::Create(options);
  if (verifier.ok()) return *std::move(verifier);
  *reason = std::string(verifier.status().message());
  EXPECT_EQ(reason->rfind("required sandbox layers can't be put in force", 0), 0u) << *reason;
  return nullptr;
}

inline VerifyRequest RequestFor(std::vector<std::string> programs,
                                std::map<std::string, std::string> metadata) {
  VerifyRequest request;
  request.prompt.task = "code";
  request.prompt.metadata = std::move(metadata);
  for (std::string& program : programs) {
    Completion completion;
    completion.text = std::move(program);
    request.completions.push_back(std::move(completion));
  }
  return request;
}

inline Verdict Ask(CodeVerifier* verifier, std::string program,
                   std::map<std::string, std::string> metadata) {
  const absl::StatusOr<std::vector<Verdict>> verdicts =
      verifier->Verify(RequestFor({std::move(program)}, std::move(metadata)));
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  return verdicts.ok() ? verdicts->front() : Verdict();
}

}  // namespace tpo

#endif  // TPO_TESTS_VERIFIER_SANDBOX_CODE_VERIFIER_FIXTURE_H_

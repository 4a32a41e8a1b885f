#include "verifier/sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "tests/verifier/sandbox/code_verifier_fixture.h"
#include "verifier/sandbox/spawn.h"
#include "verifier/sandbox/syscall_filter.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;

absl::Status Refusal(const SandboxOptions& options) { return Sandbox::Create(options).status(); }

TEST(SandboxTest, RefusesToStartWithFewerLayersThanRequired) {
  SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
  // One that can't be put in force: the others that are wanted instead of it take its place.
  options.bubblewrap = "";
  options.disabled_layers = 0;
  options.required_layers |= kLayerBubblewrap;
  const absl::Status status = Refusal(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("required sandbox layers can't be put in force: bubblewrap; in force are "));
}

TEST(SandboxTest, NamesWhatIsMissing) {
  SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
  options.helper = "/nowhere/tpo-sandbox";
  EXPECT_EQ(Refusal(options).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Refusal(options).message()), HasSubstr("/nowhere/tpo-sandbox"));
  options = TestOptions(Isolation::kNoNamespaces).sandbox;
  options.interpreter = {"no-such-interpreter"};
  EXPECT_THAT(std::string(Refusal(options).message()),
              HasSubstr("no-such-interpreter: not in PATH"));
  options.interpreter = {"/bin/false"};
  EXPECT_THAT(std::string(Refusal(options).message()),
              HasSubstr("/bin/false doesn't run in the sandbox"));
}

// A program in a folder that everybody may read.
class FakeProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    chmod(folder_.c_str(), 0755);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& script) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }

  std::string folder_ = testing::TempDir() + "tpo-fake-XXXXXX";
};

TEST_F(FakeProgramTest, AnInterpreterThatHangsIsNamed) {
  SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
  options.interpreter = {Write("python3", "sleep 1000")};
  options.probe_time = absl::Milliseconds(200);
  const absl::Status status = Refusal(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options.interpreter[0] + ": took too long"));
}

TEST_F(FakeProgramTest, AShellIsNotAskedToRunPython) {
  Write("import", "touch " + folder_ + "/imported");
  const std::string path = std::getenv("PATH");
  const absl::Cleanup restore = [&path] { setenv("PATH", path.c_str(), 1); };
  setenv("PATH", (folder_ + ":" + path).c_str(), 1);
  for (const char* shell : {"/bin/sh", "/bin/bash"}) {
    SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
    options.interpreter = {shell};
    const auto sandbox = Sandbox::Create(options);
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    EXPECT_EQ((*sandbox)->python_version(), "");
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/imported")) << shell;
  }
}

TEST(OutputOfTest, IsBoundedInTimeAndSize) {
  const auto output_of = [](const std::string& script, absl::Duration time) {
    return OutputOf({"/bin/sh", "-c", script}, absl::Now() + time);
  };
  EXPECT_EQ(output_of("echo a; echo b", absl::Minutes(10)).value(), "a\nb\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(output_of("exit 3", absl::Minutes(10)).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(output_of("exec yes", absl::Minutes(10)).status()));
  for (const char* hanging : {"sleep 1000", "exec >&-; sleep 1000", "sleep 1000 & exit 0"}) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(output_of(hanging, absl::Milliseconds(100)).status()))
        << hanging;
  }
}

TEST(SandboxTest, RefusesOptionsThatMakeNoSense) {
  const SandboxOptions good = TestOptions(Isolation::kNoNamespaces).sandbox;
  const auto expect_refused = [&good](const auto& change) {
    SandboxOptions options = good;
    change(&options);
    EXPECT_EQ(Refusal(options).code(), absl::StatusCode::kInvalidArgument);
  };
  expect_refused([](SandboxOptions* o) { o->interpreter.clear(); });
  expect_refused([](SandboxOptions* o) { o->limits.wall = absl::ZeroDuration(); });
  expect_refused([](SandboxOptions* o) { o->limits.memory_bytes = 0; });
  expect_refused([](SandboxOptions* o) { o->limits.open_files = 3; });
  expect_refused([](SandboxOptions* o) { o->first_user = 0; });
  expect_refused([](SandboxOptions* o) { o->disabled_layers = kLayerSeccomp; });
  expect_refused([](SandboxOptions* o) { o->system_calls = {"no_such_call"}; });
}

// A helper that reports the end of its execution and is then busy until a line comes through
// `gate`.
std::string SlowHelper(const std::string& folder, const std::string& gate) {
  const HelperReport report;
  std::ofstream(folder + "/report", std::ios::binary)
      .write(reinterpret_cast<const char*>(&report), sizeof(report));
  const std::string path = folder + "/slow-helper";
  std::ofstream(path) << "#!/bin/sh\ncat " << folder << "/report >&4\nexec 4>&-\nread x < " << gate
                      << "\n";
  chmod(path.c_str(), 0700);
  return path;
}

TEST(SandboxTest, NoResultWaitsForFilesToBeRemoved) {
  std::string folder = testing::TempDir() + "tpo-sandbox-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const absl::Cleanup remove_folder = [&folder] { std::filesystem::remove_all(folder); };
  const std::string gate = folder + "/gate";
  ASSERT_EQ(mkfifo(gate.c_str(), 0600), 0);
  // Open until the sandbox is gone: a helper may come to the gate late.
  const FileDescriptor opened(open(gate.c_str(), O_RDWR));
  SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
  options.helper = SlowHelper(folder, gate);
  options.interpreter = {"/bin/true"};
  const auto sandbox = Sandbox::Create(options);
  // A line for each helper: Create's probe and this one.
  const absl::Cleanup open_gate = [&opened] { EXPECT_EQ(write(opened.get(), "\n\n", 2), 2); };
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  ExecutionRequest request;
  request.source_name = "empty";
  const auto execution = (*sandbox)->Start(request);
  ASSERT_TRUE(execution.ok()) << execution.status();
  // Would hang if it waited.
  EXPECT_EQ((*execution)->Wait().end, ExecutionEnd::kExited);
}

TEST(SandboxTest, LayersHaveNames) {
  for (const auto& [layer, name] : kSandboxLayerNames) {
    EXPECT_EQ(*ParseSandboxLayer(name), layer);
    EXPECT_EQ(LayerNames(layer), name);
  }
  EXPECT_THAT(std::string(ParseSandboxLayer("magic").status().message()),
              HasSubstr("seccomp, landlock"));
}

TEST(SyscallFilterTest, AllowsMoreOnRequest) {
  const auto small = BuildSyscallFilter({});
  const auto large = BuildSyscallFilter({.also_allowed = {"memfd_create", "ptrace"}});
  ASSERT_TRUE(small.ok()) << small.status();
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_GT(large->size(), small->size());
}

class RunningSandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SandboxOptions options = TestOptions(Isolation::kNoNamespaces).sandbox;
    options.disabled_layers = 0;
    absl::StatusOr<std::unique_ptr<Sandbox>> sandbox = Sandbox::Create(options);
    if (!sandbox.ok()) GTEST_SKIP() << sandbox.status();
    sandbox_ = *std::move(sandbox);
  }
  std::unique_ptr<Execution> Start(const std::string& source, const std::string& input = "",
                                   bool channel = false) {
    ExecutionRequest request;
    request.source = source;
    request.source_name = "main.py";
    request.arguments = {"main.py"};
    request.input = input;
    request.channel = channel;
    auto execution = sandbox_->Start(request);
    EXPECT_TRUE(execution.ok()) << execution.status();
    return *std::move(execution);
  }
  std::unique_ptr<Sandbox> sandbox_;
};

TEST_F(RunningSandboxTest, ReportsHowAProgramEnded) {
  const ExecutionResult result =
      Start(
          "import sys\nprint('out', sys.stdin.read())\nprint('err', file=sys.stderr)\nsys.exit(7)",
          "in")
          ->Wait();
  EXPECT_EQ(result.end, ExecutionEnd::kExited) << result.message;
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, "out in\n");
  EXPECT_EQ(result.errors, "err\n");
  EXPECT_GT(result.cpu, absl::ZeroDuration());
  EXPECT_GT(result.wall, absl::ZeroDuration());
  const ExecutionResult killed = Start("import ctypes\nctypes.string_at(1)")->Wait();
  EXPECT_EQ(killed.end, ExecutionEnd::kSignalled) << killed.message;
  EXPECT_EQ(killed.signal_number, SIGSEGV);
}

TEST_F(RunningSandboxTest, NamesTheLimitOfTheExecution) {
  ExecutionRequest request;
  request.source = "import time\ntime.sleep(1000)";
  request.source_name = "main.py";
  request.arguments = {"main.py"};
  request.wall = absl::Milliseconds(300);
  const auto execution = sandbox_->Start(request);
  ASSERT_TRUE(execution.ok()) << execution.status();
  EXPECT_EQ(DescribeEnd((*execution)->Wait(), sandbox_->limits()),
            "went over the limit of 300ms of time");
}

TEST_F(RunningSandboxTest, TakesLargeInputAndOutput) {
  const std::string large(900000, 'x');
  EXPECT_EQ(Start("import sys\nsys.stdout.write(sys.stdin.read())", large)->Wait().output, large);
}

TEST_F(RunningSandboxTest, ExchangesLines) {
  const auto execution = Start(
      "import os\nwhile True:\n  line = os.read(3, 100)\n  os.write(3, line.upper())", "", true);
  std::string reply;
  for (const char* line : {"one", "two"}) {
    ASSERT_TRUE(execution->Exchange(line, &reply));
    EXPECT_EQ(reply, line == std::string("one") ? "ONE" : "TWO");
  }
  EXPECT_EQ(execution->Finish().end, ExecutionEnd::kExited);
  EXPECT_FALSE(execution->Exchange("three", &reply));
}

TEST_F(RunningSandboxTest, AnExecutionThatIsDroppedIsGone) {
  Start("import time\ntime.sleep(1000)").reset();
  EXPECT_EQ(LeftoverProcesses(), 0);
}

TEST_F(RunningSandboxTest, HashesAreTheSameEachTime) {
  const std::string program = "print(list({'a', 'b', 'c', 'd', 'e'}))";
  EXPECT_EQ(Start(program)->Wait().output, Start(program)->Wait().output);
}

}  // namespace
}  // namespace tpo

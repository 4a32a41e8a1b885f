// The built `tpo`: exit status, which stream, and handing over to the engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int status = -1;
  std::string out;
};

// Runs a shell command; `out` is its standard output.
Outcome Shell(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.out.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

fs::path Program() { return fs::path(std::getenv("TPO_BIN_DIR")) / "tpo"; }

std::string Quoted(const fs::path& path) {
  std::string text = "'";
  text += path.string();
  text += "'";
  return text;
}

Outcome Tpo(const std::string& arguments) { return Shell(Quoted(Program()) + " " + arguments); }

// Only what goes to standard error.
Outcome TpoErrors(const std::string& arguments) { return Tpo(arguments + " 2>&1 >/dev/null"); }

// A copy of the program in a fresh directory, without its engine.
class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "cli_program_test_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "bin");
    fs::copy_file(Program(), root_ / "bin" / "tpo");
  }
  void TearDown() override { fs::remove_all(root_); }

  // An engine that shows its arguments and exits with 7.
  void InstallEngine(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "#!/bin/sh\necho \"$0: $*\"\nexit 7\n";
    fs::permissions(path, fs::perms::owner_all);
  }

  Outcome Run(const std::string& arguments) {
    return Shell(Quoted(root_ / "bin" / "tpo") + " " + arguments);
  }

  fs::path root_;
};

TEST(TpoProgramTest, ValidConfigsExitZero) {
  const Outcome outcome = Tpo("validate examples/reverse_copy.yaml");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("examples/reverse_copy.yaml: valid"));
}

TEST(TpoProgramTest, ConfigsOfTheVerifierAreValidatedAsSuch) {
  const std::string example = "examples/verifiers/built_in.yaml";
  const Outcome outcome = Tpo("validate " + example);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith(example + ": valid for tpo-verifier --config"));
  EXPECT_THAT(TpoErrors("validate " + example + " --resolved").out,
              HasSubstr("--resolved is for a run's config"));

  const std::string file = ::testing::TempDir() + "cli_program_verifier_test.yaml";
  std::ofstream(file) << "verifier_service:\n  verifiers:\n  - exact_mach: {}\n";
  const Outcome refused = TpoErrors("validate " + file);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.out,
              StartsWith(file + ":3: verifier_service.verifiers[0].exact_mach: is no field"));
  fs::remove(file);
}

TEST(TpoProgramTest, AConfigMayComeFromAPipe) {
  const Outcome outcome =
      Shell("cat examples/ppo.yaml | " + Quoted(Program()) + " validate /dev/stdin");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("/dev/stdin: valid"));
}

TEST(TpoProgramTest, RefusedConfigsExitTwoAndNameFileLineAndField) {
  const std::string file = ::testing::TempDir() + "cli_program_test.yaml";
  std::ofstream(file) << "seed: 1\nlearner:\n  epochs: 0\n";
  const Outcome outcome = TpoErrors("validate " + file);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.out, StartsWith(file + ":3: learner.epochs: 0 is out of range"));
  fs::remove(file);
}

TEST(TpoProgramTest, RefusedOverridesExitTwo) {
  const Outcome outcome =
      TpoErrors("validate examples/reverse_copy.yaml --set rollout.group_size=1");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.out,
              StartsWith("--set rollout.group_size=1: rollout.group_size: 1 is too few"));
}

TEST(TpoProgramTest, ResolvedOutputIsAConfigAgain) {
  const std::string file = ::testing::TempDir() + "cli_program_resolved.yaml";
  const Outcome resolved = Tpo("validate examples/ppo.yaml --resolved > " + file);
  EXPECT_EQ(resolved.status, 0);
  EXPECT_EQ(Tpo("validate " + file + " --resolved | cmp - " + file).status, 0);
  fs::remove(file);
}

TEST(TpoProgramTest, ReferenceIsThePageInDocs) {
  EXPECT_EQ(Tpo("validate --reference | cmp - docs/config.md").status, 0);
}

TEST(TpoProgramTest, WrongFlagsExitTwoOnStandardError) {
  const Outcome outcome = TpoErrors("validate");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.out, HasSubstr("CONFIG is required"));
  EXPECT_EQ(Tpo("validate 2>/dev/null").out, "");
  EXPECT_EQ(TpoErrors("").status, 2);
}

TEST(TpoProgramTest, HelpAndVersionExitZeroOnStandardOutput) {
  for (const char* arguments : {"--help", "train --help", "--version"}) {
    const Outcome outcome = Tpo(arguments);
    EXPECT_EQ(outcome.status, 0) << arguments;
    EXPECT_THAT(outcome.out, HasSubstr("tpo")) << arguments;
  }
}

TEST(TpoProgramTest, MissingRunsExitTwo) {
  for (const char* arguments : {"inspect no/such/run", "report no/such/run"}) {
    const Outcome outcome = TpoErrors(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_THAT(outcome.out, HasSubstr("no/such/run")) << arguments;
  }
}

TEST(TpoProgramTest, UnwritableOutputExitsOne) {
  for (const char* arguments : {"--help", "validate examples/ppo.yaml --resolved"}) {
    EXPECT_EQ(Tpo(std::string(arguments) + " >/dev/full 2>/dev/null").status, 1) << arguments;
  }
}

TEST_F(EngineTest, WithoutAnEngineCommandsThatNeedItExitOne) {
  const Outcome outcome = Run("train examples/ppo.yaml 2>&1");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr((root_ / "lib/tpo/tpo-engine").string()));
  EXPECT_THAT(outcome.out, HasSubstr((root_ / "bin/tpo-engine").string()));
  EXPECT_EQ(Run("train --help >/dev/null").status, 0);
}

TEST_F(EngineTest, TheEngineGetsTheSameArgumentsAndGivesTheStatus) {
  InstallEngine(root_ / "bin" / "tpo-engine");
  const Outcome outcome = Run("train a.yaml --set 'x={y: 1}' --quiet");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_THAT(outcome.out, HasSubstr(": train a.yaml --set x={y: 1} --quiet\n"));
}

TEST_F(EngineTest, EveryOtherCommandGoesToTheEngine) {
  InstallEngine(root_ / "bin" / "tpo-engine");
  for (const char* arguments :
       {"train a", "learner a --listen localhost:0", "rollout --learner localhost:1", "eval r",
        "generate r", "export r d", "status --learner localhost:1"}) {
    EXPECT_EQ(Run(std::string(arguments) + " >/dev/null").status, 7) << arguments;
  }
  EXPECT_EQ(Run("train --bogus 2>/dev/null").status, 2);
}

TEST_F(EngineTest, VerifierCheckGoesToItsOwnProgram) {
  InstallEngine(root_ / "bin" / "tpo-verifier-check");
  const Outcome outcome = Run("verifier-check localhost:1 --json");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_THAT(outcome.out, HasSubstr("/tpo-verifier-check: verifier-check localhost:1 --json\n"));
}

TEST_F(EngineTest, RelayIsAProgramOfItsOwn) {
  InstallEngine(root_ / "bin" / "tpo-relay");
  const Outcome outcome = Run("relay --learner localhost:1 --listen localhost:0");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_THAT(outcome.out,
              HasSubstr("/tpo-relay: relay --learner localhost:1 --listen localhost:0\n"));
}

TEST_F(EngineTest, TheInstalledEngineComesFirst) {
  InstallEngine(root_ / "bin" / "tpo-engine");
  InstallEngine(root_ / "lib" / "tpo" / "tpo-engine");
  EXPECT_THAT(Run("eval r").out, HasSubstr("/lib/tpo/tpo-engine: eval r"));
}

TEST_F(EngineTest, AnEngineThatCannotRunIsNamed) {
  InstallEngine(root_ / "bin" / "tpo-engine");
  fs::permissions(root_ / "bin" / "tpo-engine", fs::perms::owner_read);
  const Outcome outcome = Run("eval r 2>&1");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("bin/tpo-engine: Permission denied"));
}

TEST(TpoProgramTest, DatasetsAreTheSameForTheSameSeed) {
  const std::string folder = ::testing::TempDir();
  const auto rows = [&folder](const std::string& arguments) {
    const std::string file = folder + "cli_program_test.jsonl";
    const Outcome outcome = Tpo("dataset " + arguments + " --count 20 --out " + file);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, StartsWith("wrote 20 rows to "));
    std::ifstream in(file);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    fs::remove(file);
    return text;
  };
  for (const std::string task : {"graph_coloring", "knights_knaves"}) {
    const std::string first = rows(task);
    EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 20);
    EXPECT_THAT(first, StartsWith("{\"prompt\":"));
    EXPECT_EQ(rows(task + " --seed 0"), first);
    EXPECT_NE(rows(task + " --seed 1"), first);
  }
}

TEST(TpoProgramTest, ADatasetThatCannotBeIsRefusedAndNothingIsWritten) {
  const std::string file = ::testing::TempDir() + "cli_program_test_none.jsonl";
  const Outcome outcome =
      TpoErrors("dataset graph_coloring --edge_probability 1 --colors 2 --out " + file);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.out, HasSubstr("2 colors didn't suffice"));
  EXPECT_FALSE(fs::exists(file));
}

}  // namespace

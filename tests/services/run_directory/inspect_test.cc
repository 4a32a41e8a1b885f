#include "services/run_directory/inspect.h"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/run_directory/groups_reader.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/record_json.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

using testing::HasSubstr;
using testing::Not;

class InspectTest : public testing::Test {
 protected:
  void WriteGroups(const std::string& file, const std::vector<InspectedGroup>& groups) {
    std::string text;
    for (const InspectedGroup& group : groups) text += JsonLine(InspectedGroupToJson(group));
    WriteText(scratch_ / file, text);
  }
  absl::Status Inspect(const InspectOptions& options) {
    out_.str("");
    return InspectRun(scratch_.path(), options, out_);
  }

  const ScratchDirectory scratch_;
  std::ostringstream out_;
};

TEST_F(InspectTest, ShowsAGroupAsATable) {
  WriteGroups("groups.jsonl", {SampleGroup(49, 4900)});
  ASSERT_TRUE(Inspect({}).ok());
  EXPECT_EQ(out_.str(),
            "step 49  prompt 4900  task sequence/reverse_copy/terminal\n"
            "  prompt     0 1 1 0\n"
            "  reference  0 1 1 0\n"
            "    #     score        u    p_old        q        p  completion\n"
            "    1    1.0000  +1.2247 0.250000 0.588000 0.310000  0 1 1 0\n"
            "    2    0.5000  +0.0000 0.350000 0.242000 0.330000  0 1 0 0\n"
            "    3    0.0000  -1.2247 0.400000 0.170000 0.360000  1 1 1 1\n"
            "    4 timed_out  +0.0000 0.000000 0.000000 0.000000  1 0  (no answer in 2s)\n");
}

TEST_F(InspectTest, TheNewestStepIsShownUnlessOneIsNamed) {
  WriteGroups("groups.jsonl.1", {SampleGroup(0, 1), SampleGroup(50, 2)});
  WriteGroups("groups.jsonl", {SampleGroup(100, 3), SampleGroup(100, 4)});
  ASSERT_TRUE(Inspect({}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("step 100  prompt 3"));
  EXPECT_THAT(out_.str(), HasSubstr("step 100  prompt 4"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("prompt 2")));

  InspectOptions options;
  options.step = 50;
  ASSERT_TRUE(Inspect(options).ok());
  EXPECT_THAT(out_.str(), HasSubstr("step 50  prompt 2"));
}

TEST_F(InspectTest, AStepWithoutGroupsIsAnErrorThatNamesThoseThereAre) {
  WriteGroups("groups.jsonl", {SampleGroup(0, 1), SampleGroup(50, 2)});
  InspectOptions options;
  options.step = 7;
  const absl::Status status = Inspect(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("step 7"));
  EXPECT_THAT(status.message(), HasSubstr("50, 0"));
}

TEST_F(InspectTest, SaysHowManyGroupsItLeftOut) {
  WriteGroups("groups.jsonl", {SampleGroup(5, 1), SampleGroup(5, 2), SampleGroup(5, 3)});
  InspectOptions options;
  options.max_groups = 1;
  ASSERT_TRUE(Inspect(options).ok());
  EXPECT_THAT(out_.str(), Not(HasSubstr("prompt 2")));
  EXPECT_THAT(out_.str(), HasSubstr("(2 more groups of step 5)"));
  options.max_groups = 0;
  EXPECT_EQ(Inspect(options).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(InspectTest, JsonIsOneGroupALine) {
  WriteGroups("groups.jsonl", {SampleGroup(5, 1), SampleGroup(5, 2)});
  InspectOptions options;
  options.json = true;
  ASSERT_TRUE(Inspect(options).ok());
  EXPECT_EQ(out_.str(), ReadText(scratch_ / "groups.jsonl"));
}

TEST_F(InspectTest, ARunInProgressMayHaveATornLastLine) {
  WriteGroups("groups.jsonl", {SampleGroup(5, 1)});
  std::ofstream(scratch_ / "groups.jsonl", std::ios::app) << "{\"step\":6,";
  ASSERT_TRUE(Inspect({}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("step 5  prompt 1"));
}

TEST_F(InspectTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(std::string(Inspect({}).message()), HasSubstr("groups.jsonl"));
  WriteText(scratch_ / "groups.jsonl", "");
  EXPECT_THAT(std::string(Inspect({}).message()), HasSubstr("no group yet"));
  const absl::Status missing = InspectRun(scratch_ / "missing", {}, out_);
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr(scratch_ / "missing"));
}

TEST_F(InspectTest, ACompletionCannotCommandTheTerminal) {
  InspectedGroup group = SampleGroup(5, 1);
  group.completions[0].text =
      "two\nlines \x1b[31mred \xc2\x9b"
      "2J";
  WriteGroups("groups.jsonl", {group});
  ASSERT_TRUE(Inspect({}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("two\\nlines \\x1b[31mred \\x9b2J\n"));
}

TEST_F(InspectTest, LinesThatAreNotGroupsDoNotBreakIt) {
  WriteText(scratch_ / "groups.jsonl", "{\"step\":1,\"prompt\":[],\"completions\":[3,{}]}\n[1]\n");
  ASSERT_TRUE(Inspect({}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("step 1"));
}

TEST(OneLineTest, CutsBetweenCharacters) {
  EXPECT_EQ(OneLine("abc", 3), "abc");
  EXPECT_EQ(OneLine("abcd", 3), "abc...");
  EXPECT_EQ(OneLine("ab\xc3\xa9"
                    "d",
                    3),
            "ab\xc3\xa9...");
}

}  // namespace
}  // namespace tpo

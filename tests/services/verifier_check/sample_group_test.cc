#include "services/verifier_check/sample_group.h"

#include <set>
#include <string>

#include "core/sequence_task.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/grpc/convert.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SampleGroup, FindsATaskForAPattern) {
  EXPECT_EQ(TaskThatMatches("text"), "text");
  EXPECT_EQ(TaskThatMatches("math/*"), "math/check");
  EXPECT_EQ(TaskThatMatches("*"), "check");
  for (const char* pattern : {"sequence/*", "seq*", "sequence/reverse_copy/*"})
    EXPECT_TRUE(ParseSequenceTaskName(TaskThatMatches(pattern)).ok()) << pattern;
}

TEST(SampleGroup, KnowsWhichTasksAreDescribed) {
  v1::DescribeResponse description;
  description.add_tasks("text");
  description.add_tasks("math/*");
  for (const char* task : {"text", "math/", "math/gsm"})
    EXPECT_TRUE(IsDescribed(description, task)) << task;
  for (const char* task : {"texts", "math", "", "a/math/gsm"})
    EXPECT_FALSE(IsDescribed(description, task)) << task;
}

// Verifiers refuse malformed requests, so nothing that checks send may be one by accident.
TEST(SampleGroup, BuiltInRequestsAreWellFormed) {
  for (const char* task : {"text", "sequence/reverse_copy/bag_of_tokens"}) {
    for (const int count : {1, 4, 500}) {
      const auto request = FromProto(Resize(BuiltInSample(task), count));
      ASSERT_TRUE(request.ok()) << request.status();
      EXPECT_EQ(request->prompt.task, task);
      EXPECT_EQ(request->completions.size(), count);
    }
  }
}

TEST(SampleGroup, VariationsAllDiffer) {
  for (const char* task : {"text", "sequence/reverse_copy/bag_of_tokens"}) {
    std::set<std::string> seen;
    const v1::VerifyRequest request = Resize(BuiltInSample(task), 2000);
    for (const v1::Completion& completion : request.completions())
      EXPECT_TRUE(seen.insert(completion.SerializeAsString()).second);
  }
}

TEST(SampleGroup, PicksCompletionsInOrder) {
  const v1::VerifyRequest sample = BuiltInSample("text");
  const v1::VerifyRequest picked = Pick(sample, {2, 0});
  ASSERT_EQ(picked.completions_size(), 2);
  EXPECT_EQ(picked.completions(0).text(), sample.completions(2).text());
  EXPECT_EQ(picked.completions(1).text(), sample.completions(0).text());
}

TEST(SampleGroup, ReadsAnExampleAndFillsInWhatIsLeftOut) {
  const auto sample = SampleFromJson(R"({
    "prompt": {"task": "t", "text": "Hi", "reference_answer": "Ho", "metadata": {"a": "b"}},
    "completions": [{"text": "Ho"}, {"tokens": [7], "finish_reason": "FINISH_REASON_LENGTH"}]
  })");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->prompt().reference_answer(), "Ho");
  EXPECT_EQ(sample->prompt().metadata().at("a"), "b");
  EXPECT_THAT(sample->prompt().tokens(), ElementsAre('H', 'i'));
  EXPECT_THAT(sample->completions(0).tokens(), ElementsAre('H', 'o'));
  EXPECT_EQ(sample->completions(1).finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_TRUE(FromProto(*sample).ok());
}

TEST(SampleGroup, RefusesWhatIsNoExample) {
  for (const auto& [json, text] : {std::pair<const char*, const char*>{"{", "JSON"},
                                   {R"({"prompts": {}})", "prompts"},
                                   {R"({"completions": [{}]})", "prompt: missing"},
                                   {R"({"prompt": {}})", "completions: empty"}}) {
    const auto sample = SampleFromJson(json);
    EXPECT_EQ(sample.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(sample.status().message()), HasSubstr(text));
  }
}

}  // namespace
}  // namespace tpo

#include "services/http_bridge/reward_shape.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tpo {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::unique_ptr<RewardShape> Make(HttpRewardShape shape, const RewardShapeOptions& options = {}) {
  return MakeRewardShape(shape, options).value();
}

RewardShapeOptions ScoreField(const std::string& name) {
  RewardShapeOptions options;
  options.score_field = name;
  return options;
}

RewardShapeOptions CompletionsPerRequest(size_t count) {
  RewardShapeOptions options;
  options.completions_per_request = count;
  return options;
}

RewardQuestion Question(std::vector<std::string> responses) {
  RewardQuestion question;
  question.prompt_id = 7;
  question.prompt = "2+2=";
  question.label = "4";
  for (const std::string& response : responses)
    question.items.push_back({.query = question.prompt + response, .response = response});
  return question;
}

json Body(const RewardShape& shape, const RewardQuestion& question) {
  return json::parse(shape.RequestBody(question).value());
}

// The one verdict on an answer about one completion.
Verdict One(const RewardShape& shape, const std::string& body) {
  const std::vector<Verdict> verdicts = shape.Verdicts(body, 1);
  EXPECT_EQ(verdicts.size(), 1);
  return verdicts.front();
}

std::string Nested(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

void ExpectFailed(const Verdict& verdict, const std::string& reason) {
  EXPECT_EQ(verdict.kind, VerdictKind::kFailed);
  EXPECT_EQ(verdict.score, 0.0);
  EXPECT_THAT(verdict.reason, HasSubstr(reason));
}

TEST(OpenRlhfShape, AsksAboutAGroup) {
  const auto shape = Make(HttpRewardShape::kOpenRlhf);
  EXPECT_EQ(shape->CompletionsPerRequest(), 0);
  EXPECT_EQ(Body(*shape, Question({"4", "", "fünf\xff"})),
            json::parse(R"({"query": ["2+2=4", "2+2=", "2+2=fünf\ufffd"],
                            "prompts": ["2+2=", "2+2=", "2+2="], "labels": ["4", "4", "4"]})"));
}

TEST(OpenRlhfShape, ReadsRewardsInOrder) {
  const auto shape = Make(HttpRewardShape::kOpenRlhf);
  const std::vector<Verdict> verdicts = shape->Verdicts(
      R"({"rewards": [1, -0.5, true], "scores": [1, 0, 0.25], "other": null,
          "extra_logs": {"length": [3, 4, 5], "short": [1], "text": ["a", "b", "c"], "one": 1}})",
      3);
  ASSERT_THAT(verdicts, SizeIs(3));
  for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.kind, VerdictKind::kScored);
  EXPECT_EQ(verdicts[0].score, 1.0);
  EXPECT_EQ(verdicts[1].score, -0.5);
  EXPECT_EQ(verdicts[2].score, 1.0);
  EXPECT_THAT(verdicts[2].components,
              UnorderedElementsAre(Pair("scores", 0.25), Pair("length", 5.0)));
}

TEST(OpenRlhfShape, TakesServersThatAnswerLess) {
  const auto shape = Make(HttpRewardShape::kOpenRlhf);
  EXPECT_EQ(One(*shape, R"({"rewards": [0.5]})"), Verdict::Scored(0.5));
  EXPECT_EQ(One(*shape, R"({"rewards": 0.5})"), Verdict::Scored(0.5));
  const auto by_scores = Make(HttpRewardShape::kOpenRlhf, ScoreField("scores"));
  EXPECT_EQ(One(*by_scores, R"({"rewards": [0.5], "scores": [0.25]})").score, 0.25);
  EXPECT_EQ(Make(HttpRewardShape::kOpenRlhf, CompletionsPerRequest(1))->CompletionsPerRequest(), 1);
}

TEST(OpenRlhfShape, OneBadRewardLeavesItsNeighboursScored) {
  const std::vector<Verdict> verdicts =
      Make(HttpRewardShape::kOpenRlhf)->Verdicts(R"({"rewards": [1, null, "1", [1], 0]})", 5);
  ASSERT_THAT(verdicts, SizeIs(5));
  EXPECT_EQ(verdicts[0], Verdict::Scored(1));
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kAbstained);
  EXPECT_THAT(verdicts[1].reason, HasSubstr("rewards[1] is null"));
  ExpectFailed(verdicts[2], "rewards[2] is a string, not a number: \"1\"");
  ExpectFailed(verdicts[3], "rewards[3] is an array, not a number");
  EXPECT_EQ(verdicts[4], Verdict::Scored(0));
}

TEST(OpenRlhfShape, AnAnswerThatCannotBeReadFailsTheGroup) {
  const auto shape = Make(HttpRewardShape::kOpenRlhf);
  const std::vector<std::pair<std::string, std::string>> bodies_and_reasons = {
      {"", "empty"},
      {"<html>Bad gateway</html>", "not JSON at byte 1, near: <html>Bad gateway"},
      {R"({"rewards": [1.0, NaN]})", "near: {\"rewards\": [1.0, NaN"},
      {R"({"rewards": [1.0, Infinity]})", "not JSON at byte"},
      {R"({"rewards": [1.0, 1e999]})", "a number that is too large"},
      {R"({"rewards": [1.0, 0.5)", "not JSON at byte"},
      {R"({"reward": [1, 2]})", "no field rewards: {\"reward\":[1,2]}"},
      {R"([1, 2])", "expected an object with the field rewards, found an array"},
      {R"({"rewards": [1]})", "rewards has 1 entries for 2 completions"},
      {R"({"rewards": [1, 2, 3]})", "rewards has 3 entries for 2 completions"},
      {R"({"rewards": 1})", "rewards is a number, not a list"},
      {R"({"rewards": null})", "rewards is null, not a list"},
      {R"({"rewards": {"0": 1, "1": 1}})", "rewards is an object, not a list"},
      {std::string(100000, '['), "nested deeper than 100 levels"},
  };
  for (const auto& [body, reason] : bodies_and_reasons) {
    const std::vector<Verdict> verdicts = shape->Verdicts(body, 2);
    ASSERT_THAT(verdicts, SizeIs(2)) << body;
    for (const Verdict& verdict : verdicts) ExpectFailed(verdict, reason);
  }
}

TEST(SlimeShape, AsksAboutOneCompletion) {
  const auto shape = Make(HttpRewardShape::kSlime);
  EXPECT_EQ(shape->CompletionsPerRequest(), 1);
  EXPECT_EQ(Body(*shape, Question({"four"})),
            json::parse(R"({"prompt": "2+2=", "response": "four", "label": "4"})"));
}

TEST(SlimeShape, ReadsANumber) {
  const auto shape = Make(HttpRewardShape::kSlime);
  EXPECT_EQ(One(*shape, "0.5"), Verdict::Scored(0.5));
  EXPECT_EQ(One(*shape, "-3\n"), Verdict::Scored(-3));
  EXPECT_EQ(One(*shape, "false"), Verdict::Scored(0));
  const auto keyed = Make(HttpRewardShape::kSlime, ScoreField("score"));
  const Verdict verdict = One(*keyed, R"({"score": 1, "acc": 0.5, "pred": "4"})");
  EXPECT_EQ(verdict.score, 1.0);
  EXPECT_THAT(verdict.components, UnorderedElementsAre(Pair("acc", 0.5)));
}

TEST(SlimeShape, FailsWithoutANumber) {
  const auto shape = Make(HttpRewardShape::kSlime);
  ExpectFailed(One(*shape, R"("0.5")"), "is a string, not a number: \"0.5\"");
  ExpectFailed(One(*shape, "null"), "is null, not a number");
  ExpectFailed(One(*shape, "NaN"), "not JSON at byte 1");
  ExpectFailed(One(*shape, "[1]"), "is an array");
  ExpectFailed(One(*shape, Nested(100)), "is an array");
  ExpectFailed(One(*shape, Nested(1'000'000)), "nested deeper than 100 levels");
  ExpectFailed(One(*shape, R"({"score": 1})"), "name its field with the score");
  const auto keyed = Make(HttpRewardShape::kSlime, ScoreField("score"));
  ExpectFailed(One(*keyed, R"({"acc": 1})"), "no field score");
  ExpectFailed(One(*keyed, "1"), "expected an object with the field score");
  ExpectFailed(One(*keyed, R"({"score": null})"), "score is null");
}

TEST(NemoGymShape, AsksAsTheResponsesApiWould) {
  RewardShapeOptions options;
  options.json_metadata = {"options"};
  const auto shape = Make(HttpRewardShape::kNemoGym, options);
  EXPECT_EQ(shape->CompletionsPerRequest(), 1);
  RewardQuestion question = Question({"\\boxed{B}"});
  question.metadata = {{"options", R"([{"A": "3"}, {"B": "4"}])"}, {"uuid", "12"}};
  EXPECT_EQ(Body(*shape, question), json::parse(R"({
    "responses_create_params": {"input": [{"role": "user", "content": "2+2="}]},
    "response": {
      "id": "resp_7", "object": "response", "created_at": 0, "model": "policy",
      "status": "completed", "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
      "output": [{"id": "msg_7", "type": "message", "role": "assistant", "status": "completed",
                  "content": [{"type": "output_text", "text": "\\boxed{B}", "annotations": []}]}]},
    "expected_answer": "4", "options": [{"A": "3"}, {"B": "4"}], "uuid": "12"})"));
}

TEST(NemoGymShape, MetadataWinOverWhatIsMadeUp) {
  RewardShapeOptions options;
  options.label_field = "";
  const auto shape = Make(HttpRewardShape::kNemoGym, options);
  RewardQuestion question = Question({"4"});
  question.items[0].is_truncated = true;
  question.metadata = {{"responses_create_params", R"({"input": "2+2=", "temperature": 1})"}};
  const json body = Body(*shape, question);
  EXPECT_FALSE(body.contains("expected_answer"));
  EXPECT_EQ(body["responses_create_params"]["temperature"], 1);
  EXPECT_EQ(body["response"]["status"], "incomplete");
  EXPECT_EQ(body["response"]["incomplete_details"]["reason"], "max_output_tokens");

  question.metadata = {{"responses_create_params", "{"}};
  EXPECT_THAT(shape->RequestBody(question).status().message(),
              HasSubstr("metadata: responses_create_params is not JSON, or nested too deep: {"));
  question.metadata = {{"responses_create_params", Nested(1'000'000)}};
  EXPECT_THAT(shape->RequestBody(question).status().message(), HasSubstr("nested too deep: [[["));
}

TEST(NemoGymShape, ReadsTheReward) {
  const auto shape = Make(HttpRewardShape::kNemoGym);
  const Verdict verdict = One(*shape, R"({"response": {}, "reward": 0.75, "mask_sample": false,
      "failure_reason": "no box", "reward_components": {"format": 0, "answer": 1}})");
  EXPECT_EQ(verdict.kind, VerdictKind::kScored);
  EXPECT_EQ(verdict.score, 0.75);
  EXPECT_EQ(verdict.explanation, "no box");
  EXPECT_THAT(verdict.components, UnorderedElementsAre(Pair("format", 0.0), Pair("answer", 1.0)));
}

TEST(NemoGymShape, ARewardThatTheServerDoesNotStandByIsNone) {
  const auto shape = Make(HttpRewardShape::kNemoGym);
  ExpectFailed(One(*shape, R"({"reward": 0.0, "_ng_failure_class": "judge_failed",
                               "_ng_failure_judge_error": "503 of the judge"})"),
               "judge_failed: 503 of the judge");
  ExpectFailed(One(*shape, R"({"reward": 1.0, "mask_sample": true, "failure_kind": "lost",
                               "failure_reason": "session gone"})"),
               "lost session gone");
  ExpectFailed(One(*shape, R"({"reward": "1"})"), "reward is a string");
  ExpectFailed(One(*shape, R"({"reward": null})"), "reward is null");
  ExpectFailed(One(*shape, R"({"detail": "missing"})"), "no field reward");
  ExpectFailed(One(*shape, "1"), "expected an object with the field reward");
}

TEST(RewardShape, RefusesOptionsOfOtherShapes) {
  EXPECT_THAT(MakeRewardShape(HttpRewardShape::kSlime, CompletionsPerRequest(2)).status().message(),
              HasSubstr("completions_per_request"));
  RewardShapeOptions options;
  options.json_metadata = {"options"};
  EXPECT_THAT(MakeRewardShape(HttpRewardShape::kOpenRlhf, options).status().message(),
              HasSubstr("json_metadata"));
}

}  // namespace
}  // namespace tpo

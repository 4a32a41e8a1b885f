// From the config's section to verifiers.
#include "services/verifier_server/verifier_factory.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "services/config/config.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

absl::StatusOr<std::unique_ptr<VerifierRegistry>> Make(const std::string& verifiers) {
  return MakeVerifiers(
      ParseVerifierService("verifier_service: {verifiers: " + verifiers + "}", "judge.yaml")
          .value());
}

double ScoreOf(VerifierRegistry* verifiers, const std::string& task, const std::string& answer) {
  VerifyRequest request;
  request.prompt.task = task;
  request.prompt.reference_answer = "Bern";
  request.completions = {MakeCompletion({1}, 0)};
  request.completions[0].text = answer;
  const auto verdicts = verifiers->Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  return verdicts->front().score;
}

TEST(VerifierFactoryTest, ServesWhatIsBuiltInByDefault) {
  const auto verifiers = Make("[]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, testing::Contains("sequence/*"));
  EXPECT_THAT((*verifiers)->Describe()->tasks, testing::Contains("exact_match/*"));
}

TEST(VerifierFactoryTest, ServesWhatIsNamedAndNothingElse) {
  const auto verifiers = Make(
      "[{tasks: [loose], exact_match: {ignore_case: true}},"
      " {tasks: [strict], exact_match: {}},"
      " {tasks: [marked], exact_match: {after: \"=\"}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, UnorderedElementsAre("loose", "strict", "marked"));
  EXPECT_EQ(ScoreOf(verifiers->get(), "loose", "bern"), 1);
  EXPECT_EQ(ScoreOf(verifiers->get(), "strict", "bern"), 0);
  EXPECT_EQ(ScoreOf(verifiers->get(), "marked", "it is = Bern"), 1);
}

TEST(VerifierFactoryTest, EachKindHasItsOwnTasks) {
  const auto verifiers = Make("[{exact_match: {}}, {sequence: {}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, ElementsAre("exact_match/*", "sequence/*"));
}

TEST(VerifierFactoryTest, GivesTheMathVerifierItsSettings) {
  const auto verifiers =
      Make("[{tasks: [easy], math: {}}, {tasks: [tiny], math: {max_answer_bytes: 16}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  VerifyRequest request;
  request.prompt.reference_answer = "\\frac{1}{2} + 0 + 0 + 0 + 0";
  request.completions = {MakeCompletion({1}, 0)};
  request.completions[0].text = "\\boxed{0.5}";
  request.prompt.task = "easy";
  EXPECT_EQ((*verifiers)->Verify(request).value()[0].kind, VerdictKind::kScored);
  request.prompt.task = "tiny";
  EXPECT_EQ((*verifiers)->Verify(request).value()[0].kind, VerdictKind::kAbstained)
      << "the reference is longer than what is read";
}

TEST(VerifierFactoryTest, RefusesACodeVerifierWithoutItsHelper) {
  EXPECT_THAT(
      Make("[{code: {helper: /nowhere/tpo-sandbox}}]"),
      HoldsStatus(absl::StatusCode::kFailedPrecondition, "verifier_service.verifiers[0]: "));
}

TEST(VerifierFactoryTest, NamesTheEntryAtFault) {
  EXPECT_THAT(Make("[{exact_match: {}}, {tasks: [\"exact_match/*\"], exact_match: {}}]"),
              HoldsStatus(absl::StatusCode::kAlreadyExists, "verifier_service.verifiers[1]: "));
}

TEST(VerifierFactoryTest, KeepsTheConnectionsOfHttpVerifiersBusy) {
  const auto few = ParseVerifierService("verifier_service: {}", "");
  const auto many = ParseVerifierService(
      "verifier_service: {verifiers: [{tasks: [\"*\"], http: {url: \"http://127.0.0.1:1\", "
      "shape: slime, max_connections: 999}}]}",
      "");
  ASSERT_TRUE(few.ok() && many.ok()) << many.status();
  EXPECT_GE(DefaultConcurrentGroups(*few), 1);
  EXPECT_EQ(DefaultConcurrentGroups(*many), 999);
}

// What the one verifier of the section says of an answer.
Verdict VerdictOf(const std::string& verifier, const std::string& reference,
                  const std::string& answer,
                  const std::map<std::string, std::string>& metadata = {}) {
  const auto verifiers = Make("[{tasks: [task], " + verifier + "}]");
  EXPECT_TRUE(verifiers.ok()) << verifiers.status();
  if (!verifiers.ok()) return {};
  VerifyRequest request;
  request.prompt.task = "task";
  request.prompt.reference_answer = reference;
  request.prompt.metadata = metadata;
  request.completions = {MakeCompletion({1, 2, 3}, 0)};
  request.completions[0].text = answer;
  const auto verdicts = (*verifiers)->Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  return verdicts.ok() ? verdicts->front() : Verdict();
}

struct KindCase {
  const char* verifier;
  const char* reference;
  const char* answer;
  double score;
};

TEST(VerifierFactoryTest, EachKindGetsItsSettings) {
  const KindCase cases[] = {
      {"regex: {pattern: '(a+)'}", "", "caab", 1},
      {"regex: {pattern: '(a+)', full_match: true}", "", "caab", 0},
      {"regex: {pattern: '(A+)', compare_group: 1, ignore_case: true}", "AA", "a aa", 1},
      {"regex: {pattern: '(a+)', compare_group: 1, match: first}", "aa", "a aa", 0},
      {R"(regex: {pattern: "a", invert: true})", "", "b", 1},
      {"numeric: {}", "42", "41 42", 1},
      {"numeric: {number: first}", "42", "41 42", 0},
      {"numeric: {number: whole_text}", "42", "is 42", 0},
      {"numeric: {absolute_tolerance: 0.5}", "42", "42.5", 1},
      {"numeric: {relative_tolerance: 0.1}", "42", "46.2", 1},
      {"numeric: {percent: true}", "0.5", "50%", 1},
      {"numeric: {thousands_separators: false}", "234", "1,234", 1},
      {"gsm8k: {}", "#### 42", "it's 42", 0},
      {"gsm8k: {answer: flexible}", "#### 42", "it's 42", 1},
      {"format: {tags: [a, b]}", "", "<a>1</a> <b>2</b>", 1},
      {"format: {tags: [a], text_outside: true}", "", "x<a>1</a>", 1},
      {"format: {tags: [a], opened_by_prompt: true}", "", "1</a>", 1},
      {"format: {tags: [a], require_content: true}", "", "<a> </a>", 0},
      {"format: {tags: [a, b], partial_credit: true}", "", "<a>1</a>", 0.25},
      {"length: {linear: {from: 2, to: 4}}", "", "whatever", 0.5},
      {"length: {linear: {from: 2, to: 4, score_from: 0, score_to: -2}}", "", "x", -1},
      {"length: {unit: characters, linear: {from: 0, to: 10}}", "", "\u00e9", 0.9},
      {"length: {soft_overlong: {max_length: 4, cache: 2}}", "", "x", -0.5},
      {R"(json_schema: {schema: '{"type": "object"}'})", "", "```json\n{}\n```", 1},
      {R"(json_schema: {schema: '{"type": "object"}', place: whole_text})", "", "```json\n{}\n```",
       0},
      {"knights_knaves: {}", "Ann is a sage, Bob is a fool", "Ann is a sage, Bob is a sage", 0.65},
      {"knights_knaves: {partial_credit: false}", "Ann is a sage, Bob is a fool",
       "Ann is a sage, Bob is a sage", 0},
      {"answer_tag: answer, numeric: {number: first}", "42", "7 <answer>42</answer>", 1},
      {"answer_tag: answer, math: {}", "\\frac{1}{2}", "<answer>0.5</answer>", 1},
      {"answer_tag: answer, math: {}", "5", "In <answer> tags: <answer>5</answer>", 1},
  };
  for (const KindCase& c : cases) {
    const Verdict verdict = VerdictOf(c.verifier, c.reference, c.answer);
    EXPECT_EQ(verdict.kind, VerdictKind::kScored) << c.verifier << " " << verdict.reason;
    EXPECT_DOUBLE_EQ(verdict.score, c.score) << c.verifier << " " << c.answer;
  }
}

TEST(VerifierFactoryTest, PuzzlesAndSchemasComeWithThePrompt) {
  const std::string puzzle = R"({"vertices": [0], "edges": [], "color_options": [5]})";
  EXPECT_EQ(VerdictOf("graph_coloring: {}", "", R"({"0": 5})", {{"puzzle", puzzle}}).score, 1);
  EXPECT_EQ(VerdictOf("graph_coloring: {}", "", "{}", {{"puzzle", puzzle}}).score, 0.01);
  // Reasoning Gym reads tags from the left, so that this is no JSON for it.
  const std::string tagged = R"(<answer>{"0": 5}</answer>)";
  EXPECT_EQ(
      VerdictOf("answer_tag: answer, graph_coloring: {}", "", tagged, {{"puzzle", puzzle}}).score,
      1);
  EXPECT_EQ(VerdictOf("answer_tag: answer, graph_coloring: {}", "", "In <answer> tags: " + tagged,
                      {{"puzzle", puzzle}})
                .score,
            0);
  EXPECT_EQ(
      VerdictOf("graph_coloring: {puzzle_field: p, json_score: 0.5}", "", "{}", {{"p", puzzle}})
          .score,
      0.5);
  EXPECT_EQ(VerdictOf("json_schema: {schema_field: s}", "", "3", {{"s", R"({"const": 3})"}}).score,
            1);
  EXPECT_EQ(VerdictOf("json_schema: {schema_field: s, max_steps: 100}", "", "3",
                      {{"s", R"({"$ref": "#"})"}})
                .kind,
            VerdictKind::kFailed);
}

TEST(VerifierFactoryTest, ASchemaCanBeAFile) {
  const std::string path = testing::TempDir() + "verifier_factory_test_schema.json";
  std::ofstream(path) << R"({"minimum": 3})";
  EXPECT_EQ(VerdictOf("json_schema: {schema_file: " + path + "}", "", "3").score, 1);
  EXPECT_EQ(VerdictOf("json_schema: {schema_file: " + path + "}", "", "2").score, 0);
  std::remove(path.c_str());
  EXPECT_THAT(Make("[{json_schema: {schema_file: " + path + "}}]"),
              HoldsStatus(absl::StatusCode::kNotFound, "json_schema.schema_file: cannot read"));
}

TEST(VerifierFactoryTest, ACompositeHasPartsOfAnyKind) {
  constexpr char kParts[] = R"(composite: {parts: [
      {name: right, answer_tag: answer, math: {}},
      {weight: 0.5, format: {tags: [think, answer]}},
      {role: gate, regex: {pattern: sorry, invert: true}},
      {name: short, weight: -1, length: {linear: {from: 2, to: 4}}}]})";
  const std::string good = "<think>1/2</think><answer>0.5</answer>";
  const Verdict verdict = VerdictOf(kParts, "\\frac{1}{2}", good);
  EXPECT_DOUBLE_EQ(verdict.score, 1 + 0.5 - 0.5);
  EXPECT_EQ(verdict.components.at("right"), 1);
  EXPECT_EQ(verdict.components.at("format"), 1);
  EXPECT_EQ(verdict.components.at("format/think"), 1);
  EXPECT_EQ(verdict.components.at("regex"), 1);
  EXPECT_EQ(verdict.components.at("short/length"), 3);
  EXPECT_EQ(VerdictOf(kParts, "\\frac{1}{2}", good + "sorry").score, 0);
  EXPECT_EQ(VerdictOf("composite: {combine: product, parts: [{name: a, numeric: {}}, "
                      "{name: b, numeric: {number: first}}]}",
                      "42", "41 42")
                .score,
            0);
}

TEST(VerifierFactoryTest, NamesTheFieldAtFault) {
  const auto refused = [](const std::string& verifier, const std::string& why) {
    EXPECT_THAT(
        Make("[{exact_match: {}}, {" + verifier + "}]"),
        HoldsStatus(absl::StatusCode::kInvalidArgument, "verifier_service.verifiers[1]: " + why));
  };
  refused(R"(regex: {pattern: "(a"})", "regex.pattern: ");
  refused(R"(regex: {pattern: "a", compare_group: 1})", "regex.compare_group: ");
  refused("format: {tags: [\"<a>\"]}", "format.tags[0]: ");
  refused(R"(json_schema: {schema: '{"type": "int"}'})", "json_schema.schema: #/type");
  refused("answer_tag: \"a b\", numeric: {}", "answer_tag: ");
  refused(R"(composite: {parts: [{numeric: {}}, {regex: {pattern: "["}}]})",
          "composite.parts[1]: regex.pattern: ");
}

TEST(VerifierFactoryTest, NamesThePartWithoutAKind) {
  v1::VerifierServiceConfig section;
  v1::CompositeVerifierConfig* const composite = section.add_verifiers()->mutable_composite();
  composite->add_parts()->mutable_numeric();
  composite->add_parts()->set_answer_tag("answer");
  EXPECT_THAT(MakeVerifiers(section),
              HoldsStatus(absl::StatusCode::kInvalidArgument,
                          "verifier_service.verifiers[0]: composite.parts[1]: no kind"));
}

TEST(VerifierFactoryTest, CountsWhatPartsOfACompositeWaitFor) {
  const auto section = ParseVerifierService(
      "verifier_service: {verifiers: [{composite: {parts: [{numeric: {}}, {http: {url: "
      "\"http://127.0.0.1:1\", shape: slime, max_connections: 999}}]}}]}",
      "");
  ASSERT_TRUE(section.ok()) << section.status();
  EXPECT_EQ(DefaultConcurrentGroups(*section), 999);
}

TEST(VerifierFactoryTest, TheExampleIsOneAndSumsUp) {
  const auto section = LoadVerifierService("examples/verifiers/built_in.yaml");
  ASSERT_TRUE(section.ok()) << section.status();
  const auto verifiers = MakeVerifiers(*section);
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  VerifyRequest request;
  request.prompt.task = "gsm8k/train";
  request.prompt.reference_answer = "6 * 7 = 42\n#### 42";
  request.completions = {MakeCompletion({1}, 0), MakeCompletion({1}, 0)};
  request.completions[0].text = "<think>6 * 7</think>\n<answer>42</answer>";
  request.completions[1].text = "42";
  const auto verdicts = (*verifiers)->Verify(request).value();
  EXPECT_DOUBLE_EQ(verdicts[0].score, 1.2);
  EXPECT_EQ(verdicts[1].score, 0);
}

}  // namespace
}  // namespace tpo

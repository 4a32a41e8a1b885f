#include "verifier/reasoning_gym/graph_coloring.h"

#include "tests/verifier/rules/rules_test_support.h"
#include "verifier/reasoning_gym/graph_coloring_verifier.h"

namespace tpo {
namespace {

constexpr char kPuzzle[] =
    R"({"vertices": [0, 1, 2], "edges": [[0, 1], [1, 2]], "color_options": [1, 2]})";

std::vector<Verdict> Judge(const std::map<std::string, std::string>& metadata,
                           const std::vector<std::string>& answers) {
  VerifyRequest request = TextRequest("", answers);
  request.prompt.metadata = metadata;
  return MakeGraphColoringVerifier({})->Verify(request).value();
}

TEST(GraphColoringTest, ScoresWhatThePackageScores) {
  const auto verdicts = Judge(
      {{"puzzle", kPuzzle}},
      {R"({"0": 1, "1": 2, "2": 1})", R"({"0": 1, "1": 1, "2": 2})", R"({"0": 1})", "red", ""});
  const std::vector<double> wanted = {1, 0.01, 0.01, 0, 0};
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(verdicts[i].kind, VerdictKind::kScored);
    EXPECT_EQ(verdicts[i].score, wanted[i]) << i;
    EXPECT_EQ(verdicts[i].components.at("valid"), wanted[i] == 1 ? 1 : 0) << i;
  }
}

TEST(GraphColoringTest, ReadsRowsOfThePackage) {
  const std::string nested =
      std::string(R"({"source_dataset": "graph_color", "puzzle": )") + kPuzzle + "}";
  EXPECT_EQ(Judge({{"metadata", nested}}, {R"({"0": 1, "1": 2, "2": 1})"})[0].score, 1);
}

TEST(GraphColoringTest, WithoutAReadablePuzzleNobodyKnows) {
  EXPECT_EQ(Judge({}, {"{}"})[0].kind, VerdictKind::kAbstained);
  EXPECT_EQ(Judge({{"metadata", "{}"}}, {"{}"})[0].kind, VerdictKind::kAbstained);
  for (const char* puzzle :
       {"", "[]", "{}", R"({"vertices": [0], "color_options": ["red"], "edges": []})",
        R"({"vertices": [0], "color_options": [1], "edges": [[0, 1]]})",
        R"({"vertices": [0], "color_options": [1], "edges": [0]})",
        R"({"vertices": [0], "color_options": [1]})"}) {
    const Verdict verdict = Judge({{"puzzle", puzzle}}, {"{}"})[0];
    EXPECT_EQ(verdict.kind, VerdictKind::kFailed) << puzzle;
    EXPECT_THAT(verdict.reason, testing::HasSubstr("prompt.metadata[\"puzzle\"]: ")) << puzzle;
  }
}

TEST(GraphColoringTest, HostileAnswersEnd) {
  std::string many = "{";
  for (int i = 0; i < 50'000; ++i) many += "\"" + std::to_string(i) + "\": 1, ";
  const auto verdicts =
      Judge({{"puzzle", kPuzzle}},
            {std::string(1'000'000, '['), many + "\"1\": 2}", std::string(2 << 20, ' '), "\xff"});
  EXPECT_EQ(verdicts[0].score, 0);
  EXPECT_EQ(verdicts[1].score, 1);
  EXPECT_EQ(verdicts[2].score, 0);
  EXPECT_EQ(verdicts[3].score, 0);
}

TEST(GraphColoringTest, GeneratesTheSameRowsAgain) {
  const GraphColoringParameters parameters{
      .min_vertices = 5, .max_vertices = 12, .colors = 3, .edge_probability = 0.2};
  for (uint64_t row = 0; row < 200; ++row) {
    const auto generated = GenerateGraphColoring(parameters, 1, row).value();
    EXPECT_EQ(generated, GenerateGraphColoring(parameters, 1, row).value());
    EXPECT_NE(generated, GenerateGraphColoring(parameters, 2, row).value());
    const auto puzzle = ParseGraphColoringPuzzle(generated.at("puzzle").dump()).value();
    EXPECT_GE(puzzle.vertices.size(), 5U);
    EXPECT_LE(puzzle.vertices.size(), 12U);
    EXPECT_EQ(ScoreGraphColoring(puzzle, generated.at("answer").get<std::string>(), 0), 1);
    EXPECT_THAT(generated.at("prompt").get<std::string>(), testing::HasSubstr("Vertices: [0, 1, "));
  }
}

TEST(GraphColoringTest, RefusesWhatItCannotGenerate) {
  const auto refused = [](GraphColoringParameters parameters, const char* why) {
    EXPECT_THAT(GenerateGraphColoring(parameters, 0, 0),
                HoldsStatus(absl::StatusCode::kInvalidArgument, why));
  };
  refused({.min_vertices = 0}, "vertices");
  refused({.min_vertices = 11, .max_vertices = 10}, "vertices");
  refused({.colors = 0}, "colors");
  refused({.edge_probability = 1.5}, "edge_probability");
  refused({.edge_probability = 1}, "row 0: 3 colors didn't suffice");
}

}  // namespace
}  // namespace tpo

#include "bench/paper/bandits/study.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/core_test_support.h"
#include "tests/core/scratch_directory.h"
#include "tests/paper/bandits/test_dataset.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;
using absl::StatusCode;

const Provenance kProvenance = {.commit = "abc123", .program = "", .command = "tpo-bandits test"};

Json ReadJson(const std::string& path) {
  std::ifstream stream(path);
  EXPECT_TRUE(stream) << path;
  return Json::parse(stream);
}

class StudyTest : public testing::Test {
 protected:
  StudyOptions Options(std::vector<BanditMethod> methods, int seeds) {
    return {.methods = std::move(methods),
            .seeds = seeds,
            .out = directory_ / "out",
            .provenance = kProvenance,
            .report = [this](const std::string& line) { lines_.push_back(line); }};
  }

  std::string Path(const std::string& name) { return directory_ / ("out/" + name); }

  ScratchDirectory directory_;
  std::vector<std::string> lines_;
};

TEST(ResultsTest, SummarisesOverSeeds) {
  const CurveSummary summary = SummarizeCurves({{1.0, 0.0}, {2.0, 0.0}, {6.0, 0.0}});
  EXPECT_DOUBLE_EQ(summary.mean[0], 3.0);
  EXPECT_DOUBLE_EQ(summary.median[0], 2.0);
  // Sample variance (4 + 1 + 9) / 2 = 7.
  EXPECT_DOUBLE_EQ(summary.standard_error[0], std::sqrt(7.0 / 3.0));
  EXPECT_EQ(summary.standard_error[1], 0.0);
  EXPECT_DOUBLE_EQ(SummarizeCurves({{1.0}, {2.0}}).median[0], 1.5);
  EXPECT_EQ(SummarizeCurves({{5.0}}).standard_error[0], 0.0);
}

TEST(ResultsTest, ThinsLongCurvesButKeepsTheLastPoint) {
  std::vector<int> steps;
  CurveSummary summary;
  for (int i = 1; i <= 401; ++i) {
    steps.push_back(i);
    summary.mean.push_back(i);
    summary.standard_error.push_back(0.0);
    summary.median.push_back(0.0);
  }
  const Json json = CurveJson(steps, summary);
  ASSERT_LE(json["steps"].size(), 200u);
  EXPECT_EQ(json["steps"].back(), 401);
  EXPECT_EQ(json["mean"].size(), json["steps"].size());
  EXPECT_EQ(json["mean"].front(), json["steps"].front());
}

TEST(ResultsTest, FindsTheFirstStepBelowALevel) {
  const Json json = StepsToJson({10, 20, 30}, {0.3, 0.04, 0.2});
  EXPECT_EQ(json["0.5"], 10);
  EXPECT_EQ(json["0.05"], 20);
  EXPECT_TRUE(json["0.01"].is_null());
}

TEST(ResultsTest, RoundsToSixDigits) {
  EXPECT_EQ(Rounded(0.000123456789), 0.000123457);
  EXPECT_EQ(Rounded(-98765432.1), -98765400.0);
  EXPECT_EQ(Rounded(0.0), 0.0);
}

TEST_F(StudyTest, SingleStudyWritesWhatItIs) {
  const SingleContextSettings settings{.arms = 5, .samples = 10, .steps = 4};
  ASSERT_TRUE(RunSingleStudy(Options({BanditMethod::kTpo}, 3), settings).ok());
  const Json json = ReadJson(Path("single-tpo.json"));
  EXPECT_EQ(json["format"], 1);
  EXPECT_EQ(json["study"], "single");
  EXPECT_EQ(json["method"], "tpo");
  EXPECT_EQ(json["seeds"], 3);
  EXPECT_EQ(json["settings"]["arms"], 5);
  EXPECT_EQ(json["commit"], "abc123");
  EXPECT_EQ(json["command"], "tpo-bandits test");
  EXPECT_EQ(json["curve"]["steps"], Json({0, 1, 2, 3}));
  EXPECT_EQ(json["curve"]["mean"][0], 0.8);
  EXPECT_EQ(json["misalignment_curve"]["mean"].size(), 4u);
  EXPECT_EQ(json["final"]["error"]["mean"], json["curve"]["mean"][3]);
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(StudyTest, MultiStudyCountsItsStepsFromOne) {
  const MultiContextSettings settings{.contexts = 4, .arms = 3, .steps = 2};
  ASSERT_TRUE(RunMultiStudy(Options(MethodsOf(BanditStudy::kMulti), 2), settings).ok());
  EXPECT_EQ(ReadJson(Path("multi-ce.json"))["curve"]["steps"], Json({1, 2}));
  EXPECT_NEAR(ReadJson(Path("multi-ce.json"))["final"]["misalignment"]["mean"], 0.0, 1e-9);
  EXPECT_TRUE(std::filesystem::exists(Path("multi-pg.json")));
}

TEST_F(StudyTest, RefusesAFolderOfAnotherCommit) {
  const SingleContextSettings settings{.arms = 5, .samples = 10, .steps = 2};
  StudyOptions options = Options({BanditMethod::kPg}, 1);
  ASSERT_TRUE(RunSingleStudy(options, settings).ok());
  ASSERT_TRUE(RunSingleStudy(options, settings).ok()) << "the same program may go on";
  const Json before = ReadJson(Path("single-pg.json"));
  options.provenance.commit = "def456";
  EXPECT_THAT(
      RunMultiStudy(options, {.contexts = 2, .arms = 2, .steps = 1}),
      IsStatus(StatusCode::kFailedPrecondition, "single-pg.json was written by commit abc123"));
  options.provenance = kProvenance;
  options.provenance.program = "00000001";
  EXPECT_THAT(RunSingleStudy(options, settings),
              IsStatus(StatusCode::kFailedPrecondition, "program 00000001"));
  EXPECT_EQ(ReadJson(Path("single-pg.json")), before);
}

TEST_F(StudyTest, LeavesOtherFilesAloneAndNamesUnreadableOnes) {
  const SingleContextSettings settings{.arms = 5, .samples = 10, .steps = 2};
  std::filesystem::create_directories(directory_ / "out");
  WriteBytes(Path("tables.json"), "{\"rows\": []}");
  ASSERT_TRUE(RunSingleStudy(Options({BanditMethod::kPg}, 1), settings).ok());
  WriteBytes(Path("single-dg.json"), "{\"format\": 1, ");
  EXPECT_THAT(RunSingleStudy(Options({BanditMethod::kPg}, 1), settings),
              IsStatus(StatusCode::kDataLoss, "single-dg.json"));
}

class NeuralStudyTest : public StudyTest {
 protected:
  NeuralStudyTest() {
    WriteTestDataset(directory_.path(), 40, 20);
    dataset_ = LoadImageDataset(directory_.path(), "tiny").value();
    settings_ = {.hidden = {8}, .batch = 10, .steps = 60, .test_every = 20, .learning_rate = 1e-2};
  }

  absl::Status Run(std::vector<BanditMethod> methods, int seeds, int threads = 2) {
    return RunNeuralStudy(Options(std::move(methods), seeds), settings_, dataset_, threads);
  }

  std::string Unit(const std::string& method, int seed) {
    return Path("units/neural-tiny-" + method + "-seed-" + std::to_string(seed) + ".json");
  }

  ImageDataset dataset_;
  NeuralSettings settings_;
};

TEST_F(NeuralStudyTest, LearnsAndWritesAllMethods) {
  settings_.steps = 400;
  ASSERT_TRUE(Run(MethodsOf(BanditStudy::kNeural), 2).ok());
  for (const BanditMethod method : MethodsOf(BanditStudy::kNeural)) {
    const Json json = ReadJson(Path("neural-tiny-" + MethodName(method) + ".json"));
    EXPECT_EQ(json["curve"]["steps"].front(), 20);
    EXPECT_EQ(json["curve"]["steps"].back(), 400);
    EXPECT_EQ(json["settings"]["sha256"].size(), 4u);
    EXPECT_EQ(json["final"]["per_seed"].size(), 2u);
    EXPECT_EQ(json.contains("concentration"), method != BanditMethod::kGrpo);
    // Chance is 0.9.
    EXPECT_LT(json["final"]["error"]["mean"], 0.75) << MethodName(method);
  }
  const Json tpo = ReadJson(Path("neural-tiny-tpo.json"));
  EXPECT_LT(tpo["final"]["error"]["mean"], 0.3);
  EXPECT_EQ(tpo["concentration"]["surplus"].size(), 20u);
  EXPECT_EQ(tpo["concentration"]["surplus"][0].size(), 4u);
}

TEST_F(NeuralStudyTest, ThreadsDoNotChangeResults) {
  ASSERT_TRUE(Run({BanditMethod::kDg}, 3, 1).ok());
  const Json one = ReadJson(Path("neural-tiny-dg.json"));
  std::filesystem::remove_all(directory_ / "out");
  ASSERT_TRUE(Run({BanditMethod::kDg}, 3, 3).ok());
  EXPECT_EQ(ReadJson(Path("neural-tiny-dg.json"))["curve"], one["curve"]);
}

TEST_F(NeuralStudyTest, GoesOnWithTheUnitsThatAreMissing) {
  ASSERT_TRUE(Run({BanditMethod::kTpo}, 2).ok());
  // Marks seed 0, so that running it again would show.
  Json marked = ReadJson(Unit("tpo", 0));
  marked["error"] = {0.5, 0.5, 0.125};
  WriteBytes(Unit("tpo", 0), marked.dump());
  std::filesystem::remove(Unit("tpo", 1));
  std::filesystem::remove(Path("neural-tiny-tpo.json"));
  lines_.clear();
  ASSERT_TRUE(Run({BanditMethod::kTpo}, 3).ok());
  const Json json = ReadJson(Path("neural-tiny-tpo.json"));
  EXPECT_EQ(json["final"]["per_seed"].size(), 3u);
  EXPECT_EQ(json["final"]["per_seed"][0], 0.125);
  EXPECT_THAT(lines_.front(), testing::HasSubstr("3 units, 1 of them kept"));
  EXPECT_TRUE(std::filesystem::exists(Unit("tpo", 1)));
}

TEST_F(NeuralStudyTest, RefusesUnitsOfOtherSettingsOrData) {
  ASSERT_TRUE(Run({BanditMethod::kTpo}, 1).ok());
  settings_.steps = 80;
  EXPECT_THAT(Run({BanditMethod::kTpo}, 1),
              IsStatus(StatusCode::kFailedPrecondition, "steps 60, here 80"));
  settings_.steps = 60;
  dataset_.checksums["t10k-labels-idx1-ubyte"] = "0000";
  EXPECT_THAT(Run({BanditMethod::kTpo}, 1), IsStatus(StatusCode::kFailedPrecondition, "sha256"));
}

TEST_F(NeuralStudyTest, RefusesUnitsThatItDidNotWriteLikeThat) {
  ASSERT_TRUE(Run({BanditMethod::kTpo}, 1).ok());
  Json damaged = ReadJson(Unit("tpo", 0));
  damaged["error"] = {0.5};
  WriteBytes(Unit("tpo", 0), damaged.dump());
  EXPECT_THAT(Run({BanditMethod::kTpo}, 1), IsStatus(StatusCode::kDataLoss, "field \"error\""));
  WriteBytes(Unit("tpo", 0), "{");
  EXPECT_THAT(Run({BanditMethod::kTpo}, 1),
              IsStatus(StatusCode::kDataLoss, "tpo-seed-0.json is not a JSON object"));
}

TEST_F(NeuralStudyTest, EndsWithAnErrorWhenAUnitCannotBeKept) {
  // A folder stands where the unit's file should be.
  std::filesystem::create_directories(Unit("tpo", 1) + ".tmp/x");
  EXPECT_FALSE(Run({BanditMethod::kTpo}, 3).ok());
  EXPECT_FALSE(std::filesystem::exists(Path("neural-tiny-tpo.json")));
}

}  // namespace
}  // namespace tpo

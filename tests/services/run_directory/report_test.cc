#include "services/run_directory/report.h"

#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/record_json.h"
#include "services/run_directory/report_charts.h"
#include "services/run_directory/report_page.h"
#include "services/run_directory/report_tables.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class ReportTest : public testing::Test {
 protected:
  void WriteMetrics(int64_t steps) {
    std::string text;
    for (int64_t step = 0; step < steps; ++step) {
      text += JsonLine(StepRecordToJson(SampleStep(step, steps), ResourceUsage()));
    }
    WriteText(scratch_ / "metrics.jsonl", text);
  }
  std::string Report() {
    const absl::Status status = WriteReport(scratch_.path());
    EXPECT_TRUE(status.ok()) << status;
    return ReadText(scratch_ / "report.html");
  }

  const ScratchDirectory scratch_;
};

TEST_F(ReportTest, ShowsCurvesConfigSummaryAndGroups) {
  WriteMetrics(300);
  WriteText(scratch_ / "config.yaml", "learner: {eta: 0.5, objective: tpo}\n");
  WriteText(scratch_ / "summary.json", "{\"status\":\"drained\",\"ledger\":{\"leased\":77}}");
  WriteText(scratch_ / "groups.jsonl", JsonLine(InspectedGroupToJson(SampleGroup(299, 4))));
  const std::string html = Report();
  for (const char* part : {"Task error", "Reward", "Loss", "Gradient norm", "zero variance",
                           "Entropy", "Time per step", "learner.eta", "ledger.leased", "drained",
                           "Groups of step 299", "no answer in 2s"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
}

TEST_F(ReportTest, NeedsNothingFromElsewhere) {
  WriteMetrics(30);
  const std::string html = Report();
  for (const char* part : {"http:", "https:", "//cdn", "src=", "@import", "url(", "<link"}) {
    EXPECT_THAT(html, Not(HasSubstr(part)));
  }
}

TEST_F(ReportTest, WorksOnARunInProgress) {
  WriteMetrics(30);
  std::ofstream(scratch_ / "metrics.jsonl", std::ios::app) << "{\"step\":30,";
  EXPECT_THAT(Report(), HasSubstr("running"));
}

TEST_F(ReportTest, WorksBeforeTheFirstStep) {
  WriteText(scratch_ / "metrics.jsonl", "");
  EXPECT_THAT(Report(), HasSubstr("No step is done yet"));
}

TEST_F(ReportTest, WorksOnOneStepAndWithoutATaskError) {
  StepRecord record = SampleStep(0, 10);
  record.has_error = false;
  record.loss = kNaN;
  WriteText(scratch_ / "metrics.jsonl", JsonLine(StepRecordToJson(record, ResourceUsage())));
  const std::string html = Report();
  EXPECT_THAT(html, Not(HasSubstr("Task error")));
  EXPECT_THAT(html, HasSubstr("Reward"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST_F(ReportTest, ALongRunStaysReadable) {
  WriteMetrics(20000);
  EXPECT_LT(Report().size(), 1U << 20);
}

TEST_F(ReportTest, TextOfCompletionsIsNotMarkup) {
  WriteMetrics(3);
  InspectedGroup group = SampleGroup(2, 0);
  group.prompt.text = "<script>alert('prompt')</script>";
  group.completions[0].text = "<img src=x onerror=\"alert(1)\">";
  group.completions[3].verdict.reason = "<b>bold";
  WriteText(scratch_ / "groups.jsonl", JsonLine(InspectedGroupToJson(group)));
  WriteText(scratch_ / "config.yaml", "task: \"<i>\"\n");
  const std::string html = Report();
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<b>bold")));
  EXPECT_THAT(html, Not(HasSubstr("<i>")));
  EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;"));
}

TEST_F(ReportTest, OddFilesDoNotBreakIt) {
  WriteMetrics(3);
  WriteText(scratch_ / "summary.json", "{\"status\":[1],\"steps\"");
  WriteText(scratch_ / "config.yaml", "a: [1\n");
  WriteText(scratch_ / "groups.jsonl",
            "{\"step\":1,\"prompt\":5,\"completions\":[{\"verdict\":[]}]}\n");
  EXPECT_THAT(Report(), HasSubstr("Groups of step 1"));
  const std::string deep =
      "{\"status\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}\n";
  WriteText(scratch_ / "summary.json", deep);
  WriteText(scratch_ / "metrics.jsonl", deep + ReadText(scratch_ / "metrics.jsonl") + deep);
  EXPECT_THAT(Report(), HasSubstr("ended without a summary"));
}

TEST_F(ReportTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(std::string(WriteReport(scratch_.path()).message()), HasSubstr("metrics.jsonl"));
  EXPECT_EQ(WriteReport(scratch_ / "missing").code(), absl::StatusCode::kNotFound);
}

TEST(ChartTest, ALogScaleSurvivesZerosAndGaps) {
  Chart chart;
  chart.title = "error";
  chart.log_scale = true;
  chart.x = {0, 1, 2, 3};
  chart.lines = {{"error", {1.0, kNaN, 0.01, 0.0}}};
  const std::string svg = RenderChart(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  // The gap begins a second stroke, and 0 is told as 0 although it is drawn on the edge.
  EXPECT_THAT(svg, HasSubstr("data-points=\"0,1 2,0.01 3,0\""));
  EXPECT_THAT(svg, testing::ContainsRegex("d=\"M[0-9. ]+M[0-9. ]+L[0-9. ]+\""));
}

TEST(ChartTest, ConstantAndNegativeValuesHaveARange) {
  for (const double value : {0.0, 5.0, -5.0, 1e-300, 1e300}) {
    Chart chart;
    chart.x = {0};
    chart.lines = {{"line", {value}}};
    for (const bool log_scale : {false, true}) {
      chart.log_scale = log_scale;
      EXPECT_THAT(RenderChart(chart), Not(HasSubstr("nan"))) << value;
    }
  }
}

TEST(ThinnedPositionsTest, KeepsPeaksAndOrder) {
  std::vector<double> values(10000, 0.5);
  values[1234] = 9.0;
  values[8765] = -9.0;
  const std::vector<size_t> positions = ThinnedPositions(values, 100);
  EXPECT_LE(positions.size(), 100U);
  EXPECT_TRUE(std::is_sorted(positions.begin(), positions.end()));
  EXPECT_THAT(positions, testing::Contains(1234U));
  EXPECT_THAT(positions, testing::Contains(8765U));
}

TEST(ThinnedPositionsTest, ShortLinesStayWhole) {
  EXPECT_THAT(ThinnedPositions({3.0, kNaN, 1.0}, 10), ElementsAre(0, 1, 2));
}

TEST(MovingMeanTest, IsOverTheLastValues) {
  EXPECT_THAT(MovingMean({1.0, 3.0, 5.0, 7.0}, 2), ElementsAre(1.0, 2.0, 4.0, 6.0));
  const std::vector<double> gap = MovingMean({1.0, kNaN, 3.0}, 3);
  EXPECT_TRUE(std::isnan(gap[1]));
  EXPECT_EQ(gap[2], 2.0);
}

TEST(TablesTest, OneRowALeaf) {
  EXPECT_THAT(ConfigRows("seed: 1\nlearner: {eta: 0.5, betas: [0.9, 0.99]}\n"),
              ElementsAre(Pair("seed", "1"), Pair("learner.eta", "0.5"),
                          Pair("learner.betas.0", "0.9"), Pair("learner.betas.1", "0.99")));
  EXPECT_THAT(ConfigRows("a: [1"), ElementsAre(Pair("config.yaml", "a: [1")));
}

TEST(ShortNumberTest, IsReadable) {
  EXPECT_EQ(ShortNumber(0.0123456), "0.01235");
  EXPECT_EQ(ShortNumber(1234567.0), "1,234,567");
  EXPECT_EQ(ShortNumber(-1000.0), "-1,000");
  EXPECT_EQ(ShortNumber(2.3e-7), "2.3e-07");
}

}  // namespace
}  // namespace tpo

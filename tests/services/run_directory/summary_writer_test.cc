#include "services/run_directory/summary_writer.h"

#include <cstdint>
#include <string>

#include "core/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

class SummaryWriterTest : public testing::Test {
 protected:
  nlohmann::json Finish(int64_t steps, const RunOutcome& outcome) {
    SummaryWriter writer(scratch_ / "summary.json", 42, RunHistory(), RunUsage({}));
    for (int64_t step = 0; step < steps; ++step) writer.OnStep(SampleStep(step, steps));
    EXPECT_TRUE(writer.Finish(outcome).ok());
    return nlohmann::json::parse(ReadText(scratch_ / "summary.json"));
  }

  const ScratchDirectory scratch_;
};

TEST_F(SummaryWriterTest, TellsWhatCameOutAndWhatItTook) {
  const nlohmann::json summary = Finish(400, {});
  EXPECT_EQ(summary["status"], "finished");
  EXPECT_EQ(summary["steps"], 400);
  EXPECT_EQ(summary["seed"], 42);
  EXPECT_EQ(summary["error"], SampleStep(399, 400).error);
  EXPECT_EQ(summary["reward_mean"], SampleStep(399, 400).reward_mean);
  EXPECT_LT(summary["error_mean_last_50"], 0.01);
  EXPECT_LT(summary["error_median_last_50"], 0.01);
  EXPECT_LT(summary["steps_to_error_50_percent"], summary["steps_to_error_10_percent"]);
  EXPECT_LT(summary["steps_to_error_10_percent"], summary["steps_to_error_1_percent"]);
  EXPECT_EQ(summary["version"], std::string(Version()));
  EXPECT_EQ(summary["commit"], std::string(Commit()));
  EXPECT_EQ(summary["build_type"], std::string(BuildType()));
  EXPECT_GT(summary["cpu_seconds"], 0.0);
  EXPECT_GE(summary["wall_seconds"], 0.0);
  EXPECT_GT(summary["peak_memory_bytes"], 1 << 20);
}

TEST_F(SummaryWriterTest, TheLedgerSumsUp) {
  const nlohmann::json ledger = Finish(250, {})["ledger"];
  EXPECT_EQ(ledger["trained"], 25000);
  EXPECT_EQ(ledger["leased"].get<int64_t>(),
            ledger["trained"].get<int64_t>() + ledger["dropped_stale"].get<int64_t>() +
                ledger["dropped_unverified"].get<int64_t>() + ledger["expired"].get<int64_t>() +
                ledger["in_flight"].get<int64_t>());
}

TEST_F(SummaryWriterTest, TheOutcomesLedgerIsNewerThanTheLastSteps) {
  RunOutcome outcome;
  outcome.end = RunEnd::kDrained;
  outcome.ledger = Ledger{.leased = 7, .trained = 5, .expired = 2};
  const nlohmann::json summary = Finish(10, outcome);
  EXPECT_EQ(summary["status"], "drained");
  EXPECT_EQ(summary["ledger"]["leased"], 7);
  EXPECT_EQ(summary["ledger"]["in_flight"], 0);
}

TEST_F(SummaryWriterTest, ARunThatFailedBeforeItsFirstStepSaysSo) {
  RunOutcome outcome;
  outcome.end = RunEnd::kFailed;
  outcome.message = "no worker came";
  const nlohmann::json summary = Finish(0, outcome);
  EXPECT_EQ(summary["status"], "failed");
  EXPECT_EQ(summary["message"], "no worker came");
  EXPECT_EQ(summary["steps"], 0);
  EXPECT_TRUE(summary["error_mean_last_50"].is_null());
  EXPECT_TRUE(summary["steps_to_error_50_percent"].is_null());
  EXPECT_EQ(summary["ledger"]["leased"], 0);
}

TEST_F(SummaryWriterTest, AnErrorNamesTheFile) {
  SummaryWriter writer(scratch_ / "missing/summary.json", 0, RunHistory(), RunUsage({}));
  EXPECT_THAT(std::string(writer.Finish({}).message()), testing::HasSubstr("missing/summary.json"));
}

}  // namespace
}  // namespace tpo

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/run_directory/groups_writer.h"
#include "services/run_directory/metrics_jsonl_writer.h"
#include "services/run_directory/run_directory.h"
#include "services/run_directory/run_observers.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What is logged during the scope.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  size_t Count(const std::string& part) const {
    const std::string text = text_.str();
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
      ++count;
    return count;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

std::vector<int64_t> Range(int64_t begin, int64_t end) {
  std::vector<int64_t> steps(static_cast<size_t>(end - begin));
  std::iota(steps.begin(), steps.end(), begin);
  return steps;
}

std::unique_ptr<MetricsJsonlWriter> OpenMetrics(const std::string& path,
                                                const RecordFileOptions& options = {}) {
  return *MetricsJsonlWriter::Open(path, RunUsage({}), options);
}

TEST(MetricsJsonlWriterTest, WritesEveryFieldOfTheInterface) {
  const ScratchDirectory scratch;
  OpenMetrics(scratch / "metrics.jsonl")->OnStep(SampleStep(3, 10));
  const nlohmann::json line = ReadLines(scratch / "metrics.jsonl").at(0);
  for (const char* field : {"step",
                            "weight_version",
                            "loss",
                            "loss_last_epoch",
                            "reward_mean",
                            "reward_std",
                            "error",
                            "grad_norm",
                            "tokens_total",
                            "groups_total",
                            "step_seconds",
                            "rollout_seconds",
                            "train_seconds",
                            "checkpoint_stall_seconds",
                            "staleness_mean",
                            "staleness_max",
                            "zero_variance_fraction",
                            "all_fail_fraction",
                            "target_entropy",
                            "anchor_entropy",
                            "target_kl",
                            "target_distance",
                            "clip_fraction",
                            "logprob_mismatch",
                            "token_entropy",
                            "forward_nodes",
                            "forward_tokens",
                            "wall_seconds",
                            "cpu_seconds",
                            "peak_memory_bytes",
                            "unix_seconds"}) {
    EXPECT_TRUE(line.contains(field) && line[field].is_number()) << field;
  }
  EXPECT_EQ(line["ledger"]["leased"], 500);
  EXPECT_EQ(line["ledger"]["trained"], 400);
}

TEST(MetricsJsonlWriterTest, DoublesReadBackToTheSameBits) {
  const ScratchDirectory scratch;
  StepRecord record = SampleStep(0, 10);
  record.loss = 0.1 + 0.2;
  record.grad_norm = std::nextafter(1.0, 2.0);
  record.target_kl = std::numeric_limits<double>::denorm_min();
  OpenMetrics(scratch / "metrics.jsonl")->OnStep(record);
  const nlohmann::json line = ReadLines(scratch / "metrics.jsonl").at(0);
  EXPECT_EQ(line["loss"].get<double>(), record.loss);
  EXPECT_EQ(line["grad_norm"].get<double>(), record.grad_norm);
  EXPECT_EQ(line["target_kl"].get<double>(), record.target_kl);
}

TEST(MetricsJsonlWriterTest, TwoEqualRunsDifferOnlyBehindTheLastReproducibleField) {
  const ScratchDirectory scratch;
  StepRecord record = SampleStep(5, 10);
  OpenMetrics(scratch / "first")->OnStep(record);
  record.step_seconds += 1.0;
  record.rollout_seconds += 1.0;
  record.train_seconds += 1.0;
  record.ledger.expired += 1;
  record.ledger.leased += 1;
  OpenMetrics(scratch / "second")->OnStep(record);
  const auto reproducible = [&](const std::string& name) {
    const std::string text = ReadText(scratch / name);
    return text.substr(0, text.find(",\"ledger\""));
  };
  EXPECT_EQ(reproducible("first"), reproducible("second"));
  EXPECT_THAT(reproducible("first"), HasSubstr("\"forward_tokens\":"));
  EXPECT_THAT(reproducible("first"), testing::Not(HasSubstr("_seconds")));
}

TEST(MetricsJsonlWriterTest, WhatIsNotANumberIsNull) {
  const ScratchDirectory scratch;
  StepRecord record = SampleStep(0, 10);
  record.loss = std::numeric_limits<double>::quiet_NaN();
  record.has_error = false;
  OpenMetrics(scratch / "metrics.jsonl")->OnStep(record);
  const nlohmann::json line = ReadLines(scratch / "metrics.jsonl").at(0);
  EXPECT_TRUE(line["loss"].is_null());
  EXPECT_TRUE(line["error"].is_null());
}

TEST(MetricsJsonlWriterTest, AFullDiskIsReportedOnceAndTheRunGoesOn) {
  const ScratchDirectory scratch;
  bool full = false;
  RecordFileOptions options;
  options.write = [&full](int fd, const void* data, size_t size) -> ssize_t {
    if (!full) return ::write(fd, data, size);
    errno = ENOSPC;
    // Half a line fits in the first time.
    return ::write(fd, data, size / 2) > 0 && size > 10 ? static_cast<ssize_t>(size / 2) : -1;
  };
  const CapturedLog log;
  auto writer = OpenMetrics(scratch / "metrics.jsonl", options);
  writer->OnStep(SampleStep(0, 10));
  full = true;
  for (int64_t step = 1; step < 5; ++step) {
    writer->OnStep(SampleStep(step, 10));
    EXPECT_THAT(StepsIn(scratch / "metrics.jsonl"), ElementsAre(0));
  }
  EXPECT_EQ(log.Count("cannot write"), 1U);
  full = false;
  writer->OnStep(SampleStep(5, 10));
  EXPECT_EQ(StepsIn(scratch / "metrics.jsonl"), Range(0, 6));
  EXPECT_EQ(log.Count("works again"), 1U);
  const absl::Status status = writer->Finish({});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("metrics.jsonl"));
}

TEST(GroupsWriterTest, WritesWhatWasDoneWithEachCompletion) {
  const ScratchDirectory scratch;
  auto writer = *GroupsWriter::Open(scratch / "groups.jsonl", scratch / "groups.jsonl.1");
  StepRecord record = SampleStep(49, 100);
  writer->OnStep(record);
  record.inspected_groups = {SampleGroup(49, 7)};
  writer->OnStep(record);
  ASSERT_TRUE(writer->Finish({}).ok());
  const std::vector<nlohmann::json> lines = ReadLines(scratch / "groups.jsonl");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["step"], 49);
  EXPECT_EQ(lines[0]["prompt"]["id"], 7);
  const nlohmann::json& solved = lines[0]["completions"][0];
  EXPECT_EQ(solved["verdict"]["score"], 1.0);
  EXPECT_EQ(solved["standardized_score"], 1.2247);
  EXPECT_EQ(solved["anchor_probability"], 0.25);
  EXPECT_EQ(solved["target_probability"], 0.588);
  EXPECT_EQ(solved["policy_probability"], 0.31);
  const nlohmann::json& timed_out = lines[0]["completions"][3]["verdict"];
  EXPECT_EQ(timed_out["kind"], "timed_out");
  EXPECT_EQ(timed_out["reason"], "no answer in 2s");
  EXPECT_FALSE(timed_out.contains("score"));
}

TEST(GroupsWriterTest, TextThatIsNotUtf8IsReplacedRatherThanRefused) {
  const ScratchDirectory scratch;
  auto writer = *GroupsWriter::Open(scratch / "groups.jsonl", scratch / "groups.jsonl.1");
  StepRecord record = SampleStep(0, 100);
  record.inspected_groups = {SampleGroup(0, 0)};
  record.inspected_groups[0].completions[0].text = "cut in a character: \xe2\x82";
  writer->OnStep(record);
  EXPECT_EQ(ReadLines(scratch / "groups.jsonl").at(0)["completions"][0]["text"],
            "cut in a character: \xef\xbf\xbd");
}

TEST(GroupsWriterTest, RotatesBySizeAndKeepsTheNewest) {
  const ScratchDirectory scratch;
  GroupsWriterOptions options;
  options.max_file_bytes = 4000;
  auto writer = *GroupsWriter::Open(scratch / "groups.jsonl", scratch / "groups.jsonl.1", options);
  for (int64_t step = 0; step < 40; ++step) {
    StepRecord record = SampleStep(step, 100);
    record.inspected_groups = {SampleGroup(step, 0)};
    writer->OnStep(record);
  }
  ASSERT_TRUE(writer->Finish({}).ok());
  EXPECT_LE(std::filesystem::file_size(scratch / "groups.jsonl"), 4000U);
  EXPECT_LE(std::filesystem::file_size(scratch / "groups.jsonl.1"), 4000U);
  std::vector<int64_t> steps = StepsIn(scratch / "groups.jsonl.1");
  const std::vector<int64_t> newer = StepsIn(scratch / "groups.jsonl");
  steps.insert(steps.end(), newer.begin(), newer.end());
  EXPECT_EQ(steps, Range(40 - static_cast<int64_t>(steps.size()), 40));
  EXPECT_GT(steps.size(), 4U);
  EXPECT_LT(steps.size(), 40U);
}

class RunObserversTest : public testing::Test {
 protected:
  // Steps [begin, end); killed unless `finish`.
  void Run(int64_t begin, int64_t end, bool finish) {
    auto directory = RunDirectory::Open(scratch_.path(), RunDirectoryMode::kResume);
    ASSERT_TRUE(directory.ok()) << directory.status();
    ASSERT_TRUE((*directory)->CutFrom(begin).ok());
    RunObserversOptions options;
    options.seed = 42;
    options.progress.total_steps = 400;
    std::ostringstream progress;
    auto observers = MakeRunObservers(**directory, options, progress);
    ASSERT_TRUE(observers.ok()) << observers.status();
    for (int64_t step = begin; step < end; ++step) (*observers)->OnStep(SampleStep(step, 400));
    (*observers)->OnCheckpoint(end, 0.1, "");
    if (finish) {
      ASSERT_TRUE((*observers)->Finish({}).ok());
    }
  }
  nlohmann::json Summary() { return nlohmann::json::parse(ReadText(scratch_ / "summary.json")); }

  const ScratchDirectory scratch_;
};

TEST_F(RunObserversTest, AKilledAndResumedRunHasEveryStepOnce) {
  Run(0, 130, /*finish=*/false);
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "summary.json"));
  std::ofstream(scratch_ / "metrics.jsonl", std::ios::app) << "{\"step\":130,\"we";
  Run(100, 400, /*finish=*/true);
  EXPECT_EQ(StepsIn(scratch_ / "metrics.jsonl"), Range(0, 400));
}

TEST_F(RunObserversTest, TheSummaryOfAResumedRunIsThatOfAnUninterruptedOne) {
  Run(0, 250, /*finish=*/false);
  Run(200, 400, /*finish=*/true);
  const nlohmann::json resumed = Summary();
  Run(0, 400, /*finish=*/true);
  const nlohmann::json uninterrupted = Summary();
  for (const char* field : {"steps", "error", "error_mean_last_50", "error_median_last_50",
                            "steps_to_error_50_percent", "steps_to_error_10_percent",
                            "steps_to_error_1_percent", "ledger", "tokens_total", "seed"}) {
    EXPECT_EQ(resumed.at(field), uninterrupted.at(field)) << field;
  }
}

TEST_F(RunObserversTest, ResourcesAddUpOverResumes) {
  Run(0, 10, /*finish=*/true);
  const nlohmann::json first = Summary();
  Run(10, 20, /*finish=*/true);
  const nlohmann::json second = Summary();
  EXPECT_GT(second["wall_seconds"], first["wall_seconds"]);
  // Both runs count this one process from its start, so the second counts it twice.
  EXPECT_GE(second["cpu_seconds"].get<double>(), 2.0 * first["cpu_seconds"].get<double>());
  EXPECT_GE(second["peak_memory_bytes"], first["peak_memory_bytes"]);
}

TEST_F(RunObserversTest, BorrowedObserversSeeEveryCall) {
  struct Counter : StepObserver {
    void OnStep(const StepRecord&) override { ++steps; }
    void AfterStep(const StepRecord&) override { ++after_steps; }
    void OnCheckpoint(int64_t, double, const std::string&) override { ++checkpoints; }
    void OnLedger(const Ledger& ledger) override { leased += ledger.leased; }
    int steps = 0;
    int after_steps = 0;
    int checkpoints = 0;
    uint64_t leased = 0;
  } counter;
  CompositeStepObserver observers;
  observers.AddBorrowed(&counter);
  observers.OnStep(SampleStep(0, 1));
  observers.OnCheckpoint(1, 0.1, "disk full");
  EXPECT_EQ(counter.steps, 1);
  EXPECT_EQ(counter.after_steps, 0);
  EXPECT_EQ(counter.checkpoints, 1);
  observers.AfterStep(SampleStep(0, 1));
  EXPECT_EQ(counter.after_steps, 1);
  observers.OnLedger({.leased = 7, .in_flight = 7});
  EXPECT_EQ(counter.leased, 7);
  EXPECT_TRUE(observers.Finish({}).ok());
}

}  // namespace
}  // namespace tpo

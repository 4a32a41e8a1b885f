#include "services/run_directory/progress_reporter.h"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

using testing::HasSubstr;
using testing::Not;

class ProgressReporterTest : public testing::Test {
 protected:
  ProgressReporterTest() { options_.total_steps = 100; }

  // One step every `every`.
  void RunSteps(ProgressReporter* reporter, int64_t begin, int64_t end, absl::Duration every) {
    for (int64_t step = begin; step < end; ++step) {
      clock_.Advance(every);
      reporter->OnStep(SampleStep(step, 100));
    }
  }
  std::vector<std::string> Lines() { return absl::StrSplit(out_.str(), '\n', absl::SkipEmpty()); }

  FakeClock clock_;
  ProgressOptions options_;
  std::ostringstream out_;
};

TEST_F(ProgressReporterTest, PlainLinesComeOnceAnIntervalAndWithoutControlCharacters) {
  ProgressReporter reporter(options_, &out_, &clock_);
  RunSteps(&reporter, 0, 50, absl::Seconds(1));
  EXPECT_EQ(Lines().size(), 5U);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\r")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
}

TEST_F(ProgressReporterTest, ALineTellsStepErrorRewardSpeedAndTimeLeft) {
  ProgressReporter reporter(options_, &out_, &clock_);
  RunSteps(&reporter, 0, 11, absl::Seconds(1));
  // 8,000 tokens a step, one step a second, 89 steps to go.
  EXPECT_THAT(Lines().back(), HasSubstr("step 11/100"));
  EXPECT_THAT(Lines().back(), HasSubstr("error "));
  EXPECT_THAT(Lines().back(), HasSubstr("reward 0.0"));
  EXPECT_THAT(Lines().back(), HasSubstr("8.0k tokens/s  ETA 1m29s"));
}

TEST_F(ProgressReporterTest, SpeedIsMeasuredFromTheResumeOn) {
  ProgressReporter reporter(options_, &out_, &clock_);
  RunSteps(&reporter, 90, 91, absl::Seconds(1));
  EXPECT_THAT(out_.str(), Not(HasSubstr("tokens/s")));
  RunSteps(&reporter, 91, 100, absl::Seconds(2));
  EXPECT_THAT(out_.str(), HasSubstr("4.0k tokens/s"));
}

TEST_F(ProgressReporterTest, ATerminalLineRenewsItselfAtMostFiveTimesASecond) {
  options_.terminal = true;
  options_.columns = 60;
  ProgressReporter reporter(options_, &out_, &clock_);
  RunSteps(&reporter, 0, 100, absl::Milliseconds(10));
  const std::vector<std::string> renewals = absl::StrSplit(out_.str(), '\r', absl::SkipEmpty());
  EXPECT_EQ(renewals.size(), 5U);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\n")));
  for (const std::string& line : renewals) {
    // One column stays free, or some terminals wrap; the rest is the code that clears to the end.
    EXPECT_LE(line.size(), 59U + std::string("\x1b[K").size());
    EXPECT_THAT(line, testing::EndsWith("\x1b[K"));
  }
}

TEST_F(ProgressReporterTest, TheLastLineStandsAlone) {
  options_.terminal = true;
  ProgressReporter reporter(options_, &out_, &clock_);
  RunSteps(&reporter, 0, 100, absl::Seconds(1));
  EXPECT_TRUE(reporter.Finish({}).ok());
  EXPECT_THAT(Lines().back(), testing::StartsWith("finished after step 100/100 in 1m40s: error "));
}

TEST_F(ProgressReporterTest, SaysWhyARunEndedEarly) {
  ProgressReporter reporter(options_, &out_, &clock_);
  RunOutcome outcome;
  outcome.end = RunEnd::kDrained;
  outcome.message = "SIGTERM";
  EXPECT_TRUE(reporter.Finish(outcome).ok());
  EXPECT_EQ(out_.str(), "drained in 0s: SIGTERM\n");
}

TEST_F(ProgressReporterTest, QuietWritesNothing) {
  for (const bool terminal : {false, true}) {
    options_.quiet = true;
    options_.terminal = terminal;
    ProgressReporter reporter(options_, &out_, &clock_);
    RunSteps(&reporter, 0, 100, absl::Seconds(1));
    EXPECT_TRUE(reporter.Finish({}).ok());
  }
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ProgressReporterTest, WithoutATaskErrorTheRewardIsTheFigure) {
  ProgressReporter reporter(options_, &out_, &clock_);
  StepRecord record = SampleStep(0, 100);
  record.has_error = false;
  record.reward_mean = 0.25;
  reporter.OnStep(record);
  EXPECT_TRUE(reporter.Finish({}).ok());
  EXPECT_THAT(out_.str(), Not(HasSubstr("error")));
  EXPECT_THAT(Lines().back(), HasSubstr("reward 0.2500"));
}

TEST(DetectTerminalTest, AFileIsNoTerminal) {
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ProgressOptions options;
  options.terminal = true;
  DetectTerminal(fd, &options);
  ::close(fd);
  EXPECT_FALSE(options.terminal);
}

TEST(ShortDurationTest, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(ShortDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(59400)), "59s");
  EXPECT_EQ(ShortDuration(absl::Seconds(185)), "3m05s");
  EXPECT_EQ(ShortDuration(absl::Minutes(127)), "2h07m");
}

}  // namespace
}  // namespace tpo

// write_sample_run DIR STEPS RESUME_AT: a run of STEPS steps in DIR, with report. Unless RESUME_AT
// is 0, it was killed at three quarters of them, in the middle of a line, and resumed at RESUME_AT.
// For tests that read the files with other tools.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "services/run_directory/report.h"
#include "services/run_directory/run_directory.h"
#include "services/run_directory/run_observers.h"
#include "tests/services/run_directory/sample_run.h"

namespace {

using tpo::RunDirectory;
using tpo::RunDirectoryMode;

constexpr char kConfig[] =
    "seed: 7\n"
    "task: {sequence: {target: reverse_copy, reward: terminal, vocab_size: 2, length: 7}}\n"
    "learner: {objective: tpo, eta: 1.0, optimizer: {muon: {learning_rate: 1.0e-3}}}\n";

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

// Steps [begin, end) of a run of `total`; finished unless it is to look killed.
void RunSteps(const std::string& path, int64_t begin, int64_t end, int64_t total, bool killed) {
  auto directory =
      RunDirectory::Open(path, begin > 0 ? RunDirectoryMode::kResume : RunDirectoryMode::kNew);
  Require(directory.status());
  if (begin > 0) Require((*directory)->CutFrom(begin));
  Require((*directory)->WriteConfig(kConfig));
  std::ostringstream progress;
  tpo::RunObserversOptions options;
  options.seed = 7;
  options.progress.total_steps = total;
  auto observers = tpo::MakeRunObservers(**directory, options, progress);
  Require(observers.status());
  for (int64_t step = begin; step < end; ++step) {
    tpo::StepRecord record = tpo::SampleStep(step, total);
    if (step % 50 == 49) {
      const auto prompt = static_cast<uint64_t>(step) * 100;
      record.inspected_groups = {tpo::SampleGroup(step, prompt),
                                 tpo::SampleGroup(step, prompt + 1)};
    }
    (*observers)->OnStep(record);
  }
  if (!killed) Require((*observers)->Finish({}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: write_sample_run DIR STEPS RESUME_AT\n";
    return 2;
  }
  const std::string path = argv[1];
  const int64_t steps = std::atoll(argv[2]);
  const int64_t resume_at = std::atoll(argv[3]);
  if (resume_at > 0) {
    RunSteps(path, 0, steps * 3 / 4, steps, /*killed=*/true);
    std::ofstream(path + "/metrics.jsonl", std::ios::app) << "{\"step\":123,\"lo";
  }
  RunSteps(path, resume_at, steps, steps, /*killed=*/false);
  Require(tpo::WriteReport(path));
  return 0;
}

// Runs the studies over many seeds and writes their results, one file per method.
//
// The tabular studies take a second and run anew each time. The neural one is made of units, a
// method and a seed each, which run side by side and are kept in OUT/units; a study that was
// stopped goes on with the units that are missing.
#ifndef TPO_BENCH_PAPER_BANDITS_STUDY_H_
#define TPO_BENCH_PAPER_BANDITS_STUDY_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/paper/bandits/method.h"
#include "bench/paper/bandits/neural.h"
#include "bench/paper/bandits/results.h"
#include "bench/paper/bandits/tabular.h"

namespace tpo {

// Takes lines for people, without newline; called by one thread at a time.
using ReportLine = std::function<void(const std::string&)>;

struct StudyOptions {
  std::vector<BanditMethod> methods;
  int seeds = 1;  // 0, 1, …, seeds - 1
  std::string out;
  Provenance provenance;
  ReportLine report;
};

absl::Status RunSingleStudy(const StudyOptions& options, const SingleContextSettings& settings);
absl::Status RunMultiStudy(const StudyOptions& options, const MultiContextSettings& settings);

// `threads` units at a time. FAILED_PRECONDITION: OUT holds units of other settings, data or
// another program. Errors of the file system end it after the units under way.
absl::Status RunNeuralStudy(const StudyOptions& options, const NeuralSettings& settings,
                            const ImageDataset& dataset, int threads);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_STUDY_H_

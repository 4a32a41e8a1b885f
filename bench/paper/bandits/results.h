// Result files of the bandit studies (docs/paper/bandits.md describes the format): what they hold,
// which program wrote them, and that files of different programs don't get mixed.
#ifndef TPO_BENCH_PAPER_BANDITS_RESULTS_H_
#define TPO_BENCH_PAPER_BANDITS_RESULTS_H_

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tpo {

inline constexpr int kBanditResultsFormat = 1;
inline constexpr int kMostCurvePoints = 200;

// Over the seeds, point by point.
struct CurveSummary {
  std::vector<double> mean;
  std::vector<double> standard_error;  // sample deviation / √seeds; 0 for one seed
  std::vector<double> median;
};

// `by_seed`: [seeds][points]. REQUIRES: at least one seed, all of equal length.
CurveSummary SummarizeCurves(const std::vector<std::vector<double>>& by_seed);

// {steps, mean, standard_error, median}, of every n-th point, the last one included, so that at
// most kMostCurvePoints remain.
nlohmann::ordered_json CurveJson(const std::vector<int>& steps, const CurveSummary& summary);

// {mean, standard_error, median} of the last point.
nlohmann::ordered_json FinalJson(const CurveSummary& summary);

// {"0.05": step, …}: the first of `steps` at which the mean lies below the level, or null.
nlohmann::ordered_json StepsToJson(const std::vector<int>& steps, const std::vector<double>& mean);

// Six significant digits: enough to draw, few enough to read.
double Rounded(double value);

// Which program writes, and what it was asked.
struct Provenance {
  std::string commit;
  // CRC-32C of the program where the commit doesn't say which sources it was built from (there were
  // changes, or no git); else empty.
  std::string program;
  std::string command;
};
absl::StatusOr<Provenance> CurrentProvenance(int argc, const char* const* argv);

// Adds commit, program and command to a result.
void AddProvenance(const Provenance& provenance, nlohmann::ordered_json& json);

// A folder of results of one program. Thread-safe.
class ResultsDirectory {
 public:
  // Creates the folder with its parents. FAILED_PRECONDITION: it holds results that another
  // program wrote; DATA_LOSS: a result there can't be read. Both name the file.
  static absl::StatusOr<ResultsDirectory> Open(const std::string& path,
                                               const Provenance& provenance);

  // Replaces the file NAME.json, all of it or not at all.
  absl::Status Write(const std::string& name, const nlohmann::ordered_json& json) const;

  // NAME.json; NOT_FOUND, DATA_LOSS: not JSON.
  absl::StatusOr<nlohmann::ordered_json> Read(const std::string& name) const;

  std::string PathOf(const std::string& name) const;

 private:
  explicit ResultsDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_RESULTS_H_

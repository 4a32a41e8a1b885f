#include <cstdint>
#include <numeric>

#include "absl/strings/str_format.h"
#include "bench/paper/bandits/cpu_time.h"
#include "bench/paper/bandits/study.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

// One method over all seeds; `first_step` is the label of the curves' first point.
absl::Status RunMethod(const StudyOptions& options, BanditStudy study, BanditMethod method,
                       const ResultsDirectory& directory, const Json& settings, int first_step,
                       const std::function<BanditCurves(uint64_t seed)>& run) {
  std::vector<std::vector<double>> errors;
  std::vector<std::vector<double>> misalignments;
  const double start = ThreadCpuSeconds();
  for (int seed = 0; seed < options.seeds; ++seed) {
    BanditCurves curves = run(static_cast<uint64_t>(seed));
    errors.push_back(std::move(curves.error));
    misalignments.push_back(std::move(curves.misalignment));
  }
  const double cpu_seconds = ThreadCpuSeconds() - start;

  std::vector<int> steps(errors.front().size());
  std::iota(steps.begin(), steps.end(), first_step);
  const CurveSummary error = SummarizeCurves(errors);
  const CurveSummary misalignment = SummarizeCurves(misalignments);
  Json json = {{"format", kBanditResultsFormat},
               {"study", StudyName(study)},
               {"method", MethodName(method)},
               {"settings", settings},
               {"seeds", options.seeds},
               {"curve", CurveJson(steps, error)},
               {"misalignment_curve", CurveJson(steps, misalignment)},
               {"final", {{"error", FinalJson(error)}, {"misalignment", FinalJson(misalignment)}}},
               {"steps_to", StepsToJson(steps, error.mean)},
               {"cpu_seconds", Rounded(cpu_seconds)}};
  AddProvenance(options.provenance, json);
  TPO_RETURN_IF_ERROR(directory.Write(StudyName(study) + "-" + MethodName(method), json));
  options.report(
      absl::StrFormat("%-6s  final error %.3e +- %.1e  misalignment %.3e +- %.1e  %.3f CPU s",
                      MethodName(method), error.mean.back(), error.standard_error.back(),
                      misalignment.mean.back(), misalignment.standard_error.back(), cpu_seconds));
  return absl::OkStatus();
}

}  // namespace

absl::Status RunSingleStudy(const StudyOptions& options, const SingleContextSettings& settings) {
  TPO_ASSIGN_OR_RETURN(const ResultsDirectory directory,
                       ResultsDirectory::Open(options.out, options.provenance));
  const Json json = {{"arms", settings.arms},
                     {"samples", settings.samples},
                     {"steps", settings.steps},
                     {"step_length", settings.step_length}};
  for (const BanditMethod method : options.methods) {
    TPO_RETURN_IF_ERROR(
        RunMethod(options, BanditStudy::kSingle, method, directory, json, /*first_step=*/0,
                  [&](uint64_t seed) { return RunSingleContext(method, settings, seed); }));
  }
  return absl::OkStatus();
}

absl::Status RunMultiStudy(const StudyOptions& options, const MultiContextSettings& settings) {
  TPO_ASSIGN_OR_RETURN(const ResultsDirectory directory,
                       ResultsDirectory::Open(options.out, options.provenance));
  const Json json = {{"contexts", settings.contexts},
                     {"arms", settings.arms},
                     {"steps", settings.steps},
                     {"step_length", settings.step_length}};
  for (const BanditMethod method : options.methods) {
    TPO_RETURN_IF_ERROR(RunMethod(options, BanditStudy::kMulti, method, directory, json,
                                  /*first_step=*/1, [&](uint64_t seed) {
                                    return RunMultiContext(method, settings,
                                                           MultiContextLogits(settings, seed));
                                  }));
  }
  return absl::OkStatus();
}

}  // namespace tpo

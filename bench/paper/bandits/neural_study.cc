#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/paper/bandits/cpu_time.h"
#include "bench/paper/bandits/study.h"
#include "core/file_system.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

struct Unit {
  BanditMethod method;
  int seed = 0;
};

Json SettingsJson(const NeuralSettings& settings, const ImageDataset& dataset) {
  return {{"data", dataset.name},
          {"train_images", dataset.train.count},
          {"test_images", dataset.test.count},
          {"pixels", dataset.train.pixels},
          {"hidden", settings.hidden},
          {"batch", settings.batch},
          {"steps", settings.steps},
          {"test_every", settings.test_every},
          {"learning_rate", settings.learning_rate},
          {"sha256", dataset.checksums}};
}

std::string UnitName(const ImageDataset& dataset, const Unit& unit) {
  return absl::StrFormat("neural-%s-%s-seed-%d", dataset.name, MethodName(unit.method), unit.seed);
}

std::string StudyFileName(const ImageDataset& dataset, BanditMethod method) {
  return absl::StrCat("neural-", dataset.name, "-", MethodName(method));
}

// [tests][bins] of a number of each bin.
template <typename Get>
Json BinsJson(const std::vector<ConcentrationMeans>& tests, Get get) {
  Json json = Json::array();
  for (const ConcentrationMeans& bins : tests) {
    Json& row = json.emplace_back(Json::array());
    for (const ConcentrationBinMeans& bin : bins) row.push_back(get(bin));
  }
  return json;
}

// "steps 200, here 400; …": where the settings of a kept unit differ.
std::string Differences(const Json& kept, const Json& settings) {
  std::string text;
  for (const auto& [key, value] : settings.items()) {
    const Json other = kept.is_object() ? kept.value(key, Json()) : Json();
    if (other == value) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", key, " ", other.dump(), ", here ",
                    value.dump());
  }
  return text.empty() ? "fields that this program doesn't know" : text;
}

// Does a kept unit hold what this study needs of it?
absl::Status CheckUnit(const std::string& path, const Json& unit, const Json& settings) {
  const Json kept = unit.value("settings", Json());
  if (kept != settings) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is of another study (", Differences(kept, settings),
                     "); choose another --out, or remove the old results"));
  }
  const auto tests = settings["steps"].get<size_t>() / settings["test_every"].get<size_t>();
  for (const char* key : {"error", "images", "surplus", "gain"}) {
    const auto found = unit.find(key);
    if (found == unit.end() || !found->is_array() ||
        (found->size() != tests && !(found->empty() && std::string(key) != "error"))) {
      return absl::DataLossError(absl::StrCat(path, ": field \"", key,
                                              "\" isn't what this program "
                                              "writes; remove the file to go on"));
    }
  }
  return absl::OkStatus();
}

// The study in all its units, shared by the threads that run them.
class UnitRunner {
 public:
  UnitRunner(const StudyOptions& options, const NeuralSettings& settings,
             const ImageDataset& dataset, const ResultsDirectory& directory)
      : options_(options),
        settings_(settings),
        dataset_(dataset),
        directory_(directory),
        settings_json_(SettingsJson(settings, dataset)) {}

  // Finds out which units are still to be run; seed by seed, so that an early stop leaves all
  // methods with about as many seeds.
  absl::Status Plan() {
    absl::MutexLock lock(&mutex_);
    for (int seed = 0; seed < options_.seeds; ++seed) {
      for (const BanditMethod method : options_.methods) {
        const Unit unit{.method = method, .seed = seed};
        const std::string name = UnitName(dataset_, unit);
        const absl::StatusOr<Json> kept = directory_.Read(name);
        if (absl::IsNotFound(kept.status())) {
          waiting_.push_back(unit);
          continue;
        }
        if (!kept.ok()) return kept.status();
        TPO_RETURN_IF_ERROR(CheckUnit(directory_.PathOf(name), *kept, settings_json_));
      }
    }
    const size_t all = static_cast<size_t>(options_.seeds) * options_.methods.size();
    options_.report(absl::StrFormat("%s: %d units, %d of them kept from before", dataset_.name, all,
                                    all - waiting_.size()));
    started_ = absl::Now();
    return absl::OkStatus();
  }

  // Runs units until none is left or one failed. By many threads at once.
  void Work() {
    while (const std::optional<Unit> unit = Next()) Done(*unit, Run(*unit));
  }

  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  struct Outcome {
    absl::Status status;
    double error = 0.0;
    double cpu_seconds = 0.0;
  };

  std::optional<Unit> Next() {
    absl::MutexLock lock(&mutex_);
    if (!status_.ok() || taken_ == waiting_.size()) return std::nullopt;
    return waiting_[taken_++];
  }

  Outcome Run(const Unit& unit) {
    const double start = ThreadCpuSeconds();
    const NeuralCurves curves =
        RunNeuralBandit(unit.method, settings_, dataset_, static_cast<uint64_t>(unit.seed));
    Outcome outcome{.status = absl::OkStatus(),
                    .error = curves.error.back(),
                    .cpu_seconds = ThreadCpuSeconds() - start};
    Json json = {
        {"format", kBanditResultsFormat},
        {"study", "neural-unit"},
        {"method", MethodName(unit.method)},
        {"seed", unit.seed},
        {"settings", settings_json_},
        {"error", curves.error},
        {"images", BinsJson(curves.concentration, [](const auto& bin) { return bin.images; })},
        {"gain", BinsJson(curves.concentration, [](const auto& bin) { return bin.gain; })},
        {"surplus", BinsJson(curves.concentration,
                             [](const auto& bin) { return bin.gain - bin.one_versus_rest; })},
        {"cpu_seconds", outcome.cpu_seconds}};
    AddProvenance(options_.provenance, json);
    outcome.status = directory_.Write(UnitName(dataset_, unit), json);
    return outcome;
  }

  void Done(const Unit& unit, const Outcome& outcome) {
    absl::MutexLock lock(&mutex_);
    status_.Update(outcome.status);
    if (!outcome.status.ok()) return;
    ++done_;
    const double spent = absl::ToDoubleSeconds(absl::Now() - started_);
    const double left =
        spent / static_cast<double>(done_) * static_cast<double>(waiting_.size() - done_);
    options_.report(
        absl::StrFormat("%3d/%d  %-8s seed %2d: final test error %.2f %%, %.1f CPU s; "
                        "about %.0f s left",
                        done_, waiting_.size(), MethodName(unit.method), unit.seed,
                        100.0 * outcome.error, outcome.cpu_seconds, left));
  }

  const StudyOptions& options_;
  const NeuralSettings& settings_;
  const ImageDataset& dataset_;
  const ResultsDirectory& directory_;
  const Json settings_json_;

  mutable absl::Mutex mutex_;
  std::vector<Unit> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time started_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// Means over the seeds, of those that had images in the bin; null where none had.
Json ConcentrationJson(const std::vector<Json>& units, const std::vector<int>& steps) {
  Json json = {{"borders", kConcentrationBorders}, {"steps", steps}};
  for (const char* key : {"images", "gain", "surplus", "surplus_standard_error"}) {
    json[key] = Json::array();
  }
  for (size_t test = 0; test < steps.size(); ++test) {
    for (const char* key : {"images", "gain", "surplus", "surplus_standard_error"}) {
      json[key].push_back(Json::array());
    }
    for (size_t bin = 0; bin < kConcentrationBins; ++bin) {
      double images = 0.0;
      std::vector<std::vector<double>> gains;
      std::vector<std::vector<double>> surpluses;
      for (const Json& unit : units) {
        const double count = unit["images"][test][bin];
        images += count;
        if (count == 0) continue;
        gains.push_back({unit["gain"][test][bin].get<double>()});
        surpluses.push_back({unit["surplus"][test][bin].get<double>()});
      }
      json["images"][test].push_back(Rounded(images / static_cast<double>(units.size())));
      const bool any = !gains.empty();
      const CurveSummary surplus = any ? SummarizeCurves(surpluses) : CurveSummary();
      json["gain"][test].push_back(any ? Json(Rounded(SummarizeCurves(gains).mean[0])) : Json());
      json["surplus"][test].push_back(any ? Json(Rounded(surplus.mean[0])) : Json());
      json["surplus_standard_error"][test].push_back(any ? Json(Rounded(surplus.standard_error[0]))
                                                         : Json());
    }
  }
  return json;
}

absl::Status WriteMethod(const StudyOptions& options, const NeuralSettings& settings,
                         const ImageDataset& dataset, BanditMethod method,
                         const ResultsDirectory& units_directory,
                         const ResultsDirectory& directory) {
  std::vector<Json> units;
  std::vector<std::vector<double>> errors;
  Json finals = Json::array();
  double cpu_seconds = 0.0;
  for (int seed = 0; seed < options.seeds; ++seed) {
    TPO_ASSIGN_OR_RETURN(Json unit,
                         units_directory.Read(UnitName(dataset, {.method = method, .seed = seed})));
    errors.push_back(unit["error"].get<std::vector<double>>());
    finals.push_back(Rounded(errors.back().back()));
    cpu_seconds += unit.value("cpu_seconds", 0.0);
    units.push_back(std::move(unit));
  }
  std::vector<int> steps;
  for (int step = settings.test_every; step <= settings.steps; step += settings.test_every) {
    steps.push_back(step);
  }
  const CurveSummary error = SummarizeCurves(errors);
  Json json = {{"format", kBanditResultsFormat},
               {"study", StudyName(BanditStudy::kNeural)},
               {"method", MethodName(method)},
               {"settings", SettingsJson(settings, dataset)},
               {"seeds", options.seeds},
               {"curve", CurveJson(steps, error)},
               {"final", {{"error", FinalJson(error)}, {"per_seed", finals}}},
               {"steps_to", StepsToJson(steps, error.mean)}};
  if (HasWrongClassGain(method)) json["concentration"] = ConcentrationJson(units, steps);
  json["cpu_seconds"] = Rounded(cpu_seconds);
  AddProvenance(options.provenance, json);
  options.report(absl::StrFormat("%-8s  final test error %.2f +- %.2f %%  %.1f CPU s",
                                 MethodName(method), 100.0 * error.mean.back(),
                                 100.0 * error.standard_error.back(), cpu_seconds));
  return directory.Write(StudyFileName(dataset, method), json);
}

}  // namespace

absl::Status RunNeuralStudy(const StudyOptions& options, const NeuralSettings& settings,
                            const ImageDataset& dataset, int threads) {
  TPO_ASSIGN_OR_RETURN(const ResultsDirectory directory,
                       ResultsDirectory::Open(options.out, options.provenance));
  TPO_ASSIGN_OR_RETURN(const ResultsDirectory units,
                       ResultsDirectory::Open(JoinPath(options.out, "units"), options.provenance));
  UnitRunner runner(options, settings, dataset, units);
  TPO_RETURN_IF_ERROR(runner.Plan());
  {
    std::vector<std::jthread> workers;
    workers.reserve(static_cast<size_t>(threads));
    for (int i = 0; i < threads; ++i) workers.emplace_back([&runner] { runner.Work(); });
  }
  TPO_RETURN_IF_ERROR(runner.status());
  for (const BanditMethod method : options.methods) {
    TPO_RETURN_IF_ERROR(WriteMethod(options, settings, dataset, method, units, directory));
  }
  return absl::OkStatus();
}

}  // namespace tpo

#include "services/run_directory/report_curves.h"

#include <limits>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/run_directory/error_trend.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/report_charts.h"
#include "services/run_directory/report_page.h"

namespace tpo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct CurveSpec {
  std::string name;  // in the legend
  std::string field;
};

struct ChartSpec {
  std::string title;
  std::string unit;
  std::vector<CurveSpec> curves;
  bool moving_mean = false;  // single steps faintly, behind their moving mean
  bool log_choice = false;
  double factor = 1.0;  // from the field's unit to the shown one
};

const std::vector<ChartSpec>& ChartSpecs() {
  static const auto* const specs = new std::vector<ChartSpec>{
      {"Task error", "%", {{"step", "error"}}, true, true, 100.0},
      {"Reward", "mean of the batch", {{"step", "reward_mean"}}, true},
      {"Loss", "", {{"first epoch", "loss"}, {"last epoch", "loss_last_epoch"}}},
      {"Gradient norm", "first epoch", {{"step", "grad_norm"}}, true, true},
      {"Groups without signal",
       "fraction",
       {{"zero variance", "zero_variance_fraction"}, {"all failed", "all_fail_fraction"}}},
      {"Entropy within a group",
       "nats",
       {{"target q", "target_entropy"}, {"anchor p_old", "anchor_entropy"}}},
      {"KL(q || p_old)", "nats", {{"step", "target_kl"}}, true},
      {"Clipped members", "fraction", {{"step", "clip_fraction"}}, true},
      {"Sampler-learner mismatch", "nats", {{"step", "logprob_mismatch"}}, true, true},
      {"Staleness", "versions", {{"mean", "staleness_mean"}, {"max", "staleness_max"}}},
      {"Time per step",
       "seconds",
       {{"step", "step_seconds"}, {"rollout", "rollout_seconds"}, {"training", "train_seconds"}},
       false,
       true},
  };
  return *specs;
}

Chart MakeChart(const MetricsColumns& metrics, const ChartSpec& spec) {
  Chart chart{spec.title, spec.unit, metrics.steps, {}, false};
  for (const CurveSpec& curve : spec.curves) {
    std::vector<double> values = metrics.columns.at(curve.field);
    for (double& value : values) value *= spec.factor;
    chart.lines.push_back({curve.name, std::move(values), spec.moving_mean});
  }
  if (spec.moving_mean) {
    chart.lines.push_back({absl::StrCat("mean of ", ErrorTrend::kMovingWindow, " steps"),
                           MovingMean(chart.lines[0].values, ErrorTrend::kMovingWindow)});
  }
  return chart;
}

}  // namespace

absl::StatusOr<MetricsColumns> ReadMetricsColumns(const std::string& path) {
  MetricsColumns metrics;
  absl::StatusOr<JsonLinesRead> read =
      ReadJsonLines(path, [&](const nlohmann::json& record, std::string_view) {
        const auto place = static_cast<double>(metrics.steps.size());
        metrics.steps.push_back(NumberOr(record, "step", place));
        for (const ChartSpec& chart : ChartSpecs()) {
          for (const CurveSpec& curve : chart.curves) {
            metrics.columns[curve.field].push_back(NumberOr(record, curve.field.c_str(), kNaN));
          }
        }
      });
  TPO_RETURN_IF_ERROR(read.status());
  return metrics;
}

std::string RenderCurves(const MetricsColumns& metrics) {
  std::string html = "<h2>Curves</h2>\n<div class=\"charts\">\n";
  for (const ChartSpec& spec : ChartSpecs()) {
    const Chart chart = MakeChart(metrics, spec);
    if (HasContent(chart)) html += RenderChartCard(chart, spec.log_choice);
  }
  return html + "</div>\n";
}

}  // namespace tpo

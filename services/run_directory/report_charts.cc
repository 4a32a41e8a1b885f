#include "services/run_directory/report_charts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/run_directory/report_page.h"

namespace tpo {
namespace {

constexpr double kWidth = 400.0;
constexpr double kHeight = 220.0;
constexpr double kLeft = 46.0;
constexpr double kRight = 10.0;
constexpr double kTop = 8.0;
constexpr double kBottom = 24.0;
constexpr size_t kMaxPoints = 500;
constexpr double kMaxDecades = 8.0;

// From data to pixels along one axis.
class Scale {
 public:
  Scale(double low, double high, double pixel_low, double pixel_high, bool log)
      : low_(low), high_(high), pixel_low_(pixel_low), pixel_high_(pixel_high), log_(log) {}

  double Pixel(double value) const {
    const double clamped = std::clamp(value, low_, high_);
    const double part = log_ ? std::log(clamped / low_) / std::log(high_ / low_)
                             : (clamped - low_) / (high_ - low_);
    return pixel_low_ + part * (pixel_high_ - pixel_low_);
  }

  std::vector<double> Ticks() const { return log_ ? LogTicks() : LinearTicks(); }

 private:
  // Three to six, at multiples of 1, 2 or 5 times a power of ten.
  std::vector<double> LinearTicks() const {
    const double rough = (high_ - low_) / 4.0;
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double leading = rough / power;
    const double spacing = power * (leading < 1.5   ? 1.0
                                    : leading < 3.5 ? 2.0
                                    : leading < 7.5 ? 5.0
                                                    : 10.0);
    std::vector<double> ticks;
    const double slack = spacing * 1e-6;
    for (double k = std::ceil((low_ - slack) / spacing); k * spacing <= high_ + slack; ++k) {
      ticks.push_back(k * spacing + 0.0);  // + 0.0: no "-0"
    }
    return ticks;
  }

  std::vector<double> LogTicks() const {
    const double first = std::ceil(std::log10(low_) - 1e-9);
    const double last = std::floor(std::log10(high_) + 1e-9);
    const double every = std::max(1.0, std::ceil((last - first) / 5.0));
    std::vector<double> ticks;
    for (double k = first; k <= last; k += every) ticks.push_back(std::pow(10.0, k));
    return ticks;
  }

  double low_;
  double high_;
  double pixel_low_;
  double pixel_high_;
  bool log_;
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

Range ValuesOf(const Chart& chart) {
  Range range;
  for (const ChartLine& line : chart.lines) {
    for (const double value : line.values) {
      if (!std::isfinite(value) || (chart.log_scale && value <= 0.0)) continue;
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  }
  return range;
}

Scale LinearValues(Range range) {
  // A curve that is never negative stands on 0, so that its height means something.
  if (range.low > range.high) range = {0.0, 1.0};
  if (range.low >= 0.0) range.low = 0.0;
  if (range.high <= range.low) range.high = range.low + 1.0;
  const double margin = 0.04 * (range.high - range.low);
  const double low = range.low == 0.0 ? 0.0 : range.low - margin;
  return Scale(low, range.high + margin, kHeight - kBottom, kTop, false);
}

Scale LogValues(Range range) {
  if (range.low > range.high) range = {0.1, 1.0};
  range.low = std::max(range.low, range.high * std::pow(10.0, -kMaxDecades));
  // At least one whole decade, so that there is a tick.
  range.low = std::pow(10.0, std::floor(std::log10(range.low)));
  range.high = std::max(range.high * 1.2, range.low * 10.0);
  return Scale(range.low, range.high, kHeight - kBottom, kTop, true);
}

Scale Steps(const Chart& chart) {
  const double low = chart.x.front();
  return Scale(low, std::max(chart.x.back(), low + 1.0), kLeft, kWidth - kRight, false);
}

void DrawAxes(const Scale& x, const Scale& y, std::string* svg) {
  for (const double tick : y.Ticks()) {
    const double at = y.Pixel(tick);
    absl::StrAppendFormat(
        svg,
        "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>"
        "<text class=\"tick\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
        kLeft, kWidth - kRight, at, at, kLeft - 6.0, at + 3.5, ShortNumber(tick));
  }
  for (const double tick : x.Ticks()) {
    absl::StrAppendFormat(
        svg, "<text class=\"tick\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>",
        std::min(x.Pixel(tick), kWidth - 16.0), kHeight - 7.0, ShortNumber(tick));
  }
  absl::StrAppendFormat(svg,
                        "<line class=\"axis\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\"/>",
                        kLeft, kWidth - kRight, kHeight - kBottom, kHeight - kBottom);
}

// The path, and what the page's script needs to tell the values under the pointer.
void DrawLine(const Chart& chart, size_t index, const Scale& x, const Scale& y, std::string* svg) {
  const ChartLine& line = chart.lines[index];
  std::string path;
  std::string points;
  bool pen_down = false;
  for (const size_t i : ThinnedPositions(line.values, kMaxPoints)) {
    if (!std::isfinite(line.values[i])) {
      pen_down = false;
      continue;
    }
    absl::StrAppendFormat(&path, "%c%.1f %.1f", pen_down ? 'L' : 'M', x.Pixel(chart.x[i]),
                          y.Pixel(line.values[i]));
    absl::StrAppendFormat(&points, "%s%.10g,%.5g", points.empty() ? "" : " ", chart.x[i],
                          line.values[i]);
    pen_down = true;
  }
  absl::StrAppendFormat(
      svg, "<path class=\"line c%d%s\" d=\"%s\" data-name=\"%s\" data-points=\"%s\"/>",
      ColorOf(chart, index), line.faint ? " faint" : "", path, EscapeHtml(line.name), points);
}

}  // namespace

bool HasContent(const Chart& chart) {
  for (const ChartLine& line : chart.lines) {
    for (const double value : line.values) {
      if (std::isfinite(value) && value != 0.0) return true;
    }
  }
  return false;
}

size_t ColorOf(const Chart& chart, size_t line) {
  size_t color = 0;
  for (size_t i = 0; i < line; ++i) color += chart.lines[i].faint ? 0 : 1;
  return color;
}

std::string RenderChart(const Chart& chart) {
  const Range range = ValuesOf(chart);
  const Scale x = Steps(chart);
  const Scale y = chart.log_scale ? LogValues(range) : LinearValues(range);
  std::string svg = absl::StrFormat(
      "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\" data-left=\"%.0f\" "
      "data-right=\"%.0f\" data-first=\"%.10g\" data-last=\"%.10g\">",
      kWidth, kHeight, EscapeHtml(chart.title), kLeft, kWidth - kRight, chart.x.front(),
      std::max(chart.x.back(), chart.x.front() + 1.0));
  DrawAxes(x, y, &svg);
  for (size_t i = 0; i < chart.lines.size(); ++i) DrawLine(chart, i, x, y, &svg);
  absl::StrAppendFormat(&svg, "<line class=\"cursor\" y1=\"%.0f\" y2=\"%.0f\"/></svg>", kTop,
                        kHeight - kBottom);
  return svg;
}

std::vector<double> MovingMean(const std::vector<double>& values, size_t window) {
  std::vector<double> means(values.size(), std::numeric_limits<double>::quiet_NaN());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    double sum = 0.0;
    size_t count = 0;
    for (size_t k = i + 1 - std::min(window, i + 1); k <= i; ++k) {
      if (std::isnan(values[k])) continue;
      sum += values[k];
      ++count;
    }
    means[i] = sum / static_cast<double>(count);
  }
  return means;
}

std::vector<size_t> ThinnedPositions(const std::vector<double>& values, size_t max_points) {
  std::vector<size_t> positions;
  const size_t stretches = std::max<size_t>(1, max_points / 2);
  const bool all = values.size() <= max_points;
  for (size_t i = 0; all && i < values.size(); ++i) positions.push_back(i);
  for (size_t stretch = 0; !all && stretch < stretches; ++stretch) {
    const size_t begin = stretch * values.size() / stretches;
    const size_t end = (stretch + 1) * values.size() / stretches;
    const auto less = [&](size_t a, size_t b) { return values[a] < values[b]; };
    size_t least = begin;
    size_t greatest = begin;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[least]) || less(i, least)) least = i;
      if (!std::isfinite(values[greatest]) || less(greatest, i)) greatest = i;
    }
    positions.push_back(std::min(least, greatest));
    if (least != greatest) positions.push_back(std::max(least, greatest));
  }
  return positions;
}

}  // namespace tpo

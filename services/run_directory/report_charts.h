// Line charts as inline SVG. Thread-safe: functions without state.
//
// A chart is drawn for a card of about 400 pixels and scales with it. Its colours are CSS variables
// of the page (report_page.h), so that it follows light and dark mode.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_CHARTS_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_CHARTS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace tpo {

struct ChartLine {
  std::string name;
  std::vector<double> values;  // one for each x of the chart; NaN leaves a gap
  bool faint = false;  // drawn thin behind the others: the noise that another line is the mean of
};

struct Chart {
  std::string title;
  std::string unit;       // of the values, for the title; may be empty
  std::vector<double> x;  // ascending
  std::vector<ChartLine> lines;
  bool log_scale = false;
};

// Whether there is anything to see: a finite value other than 0.
bool HasContent(const Chart& chart);

// Number of the line's colour on the page: classes c0, c1, ... A faint line has that of the next
// line that isn't.
size_t ColorOf(const Chart& chart, size_t line);

// An <svg> element. On a log scale, values that aren't positive are drawn on the lower edge.
std::string RenderChart(const Chart& chart);

// Of the last `window` values, or of those there are. NaN where the value itself is; NaNs don't
// count.
std::vector<double> MovingMean(const std::vector<double>& values, size_t window);

// Ascending positions, at most `max_points` or few more, that keep every peak a screen can show:
// the least and greatest value of each of a number of equal stretches.
std::vector<size_t> ThinnedPositions(const std::vector<double>& values, size_t max_points);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_CHARTS_H_

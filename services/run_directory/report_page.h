// The HTML around a report's charts: page, style, tables, tiles. Thread-safe: functions without
// state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_PAGE_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_PAGE_H_

#include <string>
#include <utility>
#include <vector>

#include "services/run_directory/report_charts.h"

namespace tpo {

// Safe as text and within quoted attributes: prompts and completions are anybody's text.
std::string EscapeHtml(const std::string& text);

// Four significant digits, such as "0.0123", "1,500" or "2.3e-07".
std::string ShortNumber(double value);

using KeyValue = std::pair<std::string, std::string>;

// The whole page. `body` is HTML, the title text.
std::string RenderPage(const std::string& title, const std::string& body);

// A page without any script. `head` is HTML for its <head>.
std::string RenderStaticPage(const std::string& title, const std::string& head,
                             const std::string& body);

// Headline figures: label and value.
std::string RenderTiles(const std::vector<KeyValue>& tiles);

// A table that folds away.
std::string RenderTable(const std::string& title, const std::vector<KeyValue>& rows);

// A chart with title and legend. With `log_choice` the reader can switch between a linear and a log
// scale.
std::string RenderChartCard(const Chart& chart, bool log_choice);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_PAGE_H_

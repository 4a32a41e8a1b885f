#include "services/run_directory/report_page.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "services/run_directory/report_style.h"

namespace tpo {
namespace {

std::string Grouped(int64_t number) {
  const std::string digits = absl::StrCat(number < 0 ? -number : number);
  std::string text = number < 0 ? "-" : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Legend(const Chart& chart) {
  std::string html = "<div class=\"legend\">";
  for (size_t i = 0; chart.lines.size() > 1 && i < chart.lines.size(); ++i) {
    absl::StrAppendFormat(&html, "<span><i class=\"c%d%s\"></i>%s</span>", ColorOf(chart, i),
                          chart.lines[i].faint ? " faint" : "", EscapeHtml(chart.lines[i].name));
  }
  return html + "</div>";
}

}  // namespace

std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string ShortNumber(double value) {
  if (std::abs(value) < 1e15 && std::abs(value) >= 1000.0) return Grouped(std::llround(value));
  return absl::StrFormat("%.4g", value);
}

namespace {

// Up to where a script may stand.
std::string PageBeforeEnd(const std::string& title, const std::string& head,
                          const std::string& body) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      EscapeHtml(title), "</title>\n<style>", kReportStyle, "</style>\n", head,
      "</head>\n<body>\n<main>\n", body, "</main>\n");
}

}  // namespace

std::string RenderPage(const std::string& title, const std::string& body) {
  return absl::StrCat(PageBeforeEnd(title, "", body), "<script>", kReportScript,
                      "</script>\n</body>\n</html>\n");
}

std::string RenderStaticPage(const std::string& title, const std::string& head,
                             const std::string& body) {
  return absl::StrCat(PageBeforeEnd(title, head, body), "</body>\n</html>\n");
}

std::string RenderTiles(const std::vector<KeyValue>& tiles) {
  std::string html = "<dl class=\"tiles\">";
  for (const auto& [label, value] : tiles) {
    absl::StrAppend(&html, "<div><dt>", EscapeHtml(label), "</dt><dd>", EscapeHtml(value),
                    "</dd></div>");
  }
  return html + "</dl>\n";
}

std::string RenderTable(const std::string& title, const std::vector<KeyValue>& rows) {
  std::string html =
      absl::StrCat("<details><summary>", EscapeHtml(title), "</summary><table><tbody>\n");
  for (const auto& [key, value] : rows) {
    absl::StrAppend(&html, "<tr><td>", EscapeHtml(key), "</td><td>", EscapeHtml(value),
                    "</td></tr>\n");
  }
  return html + "</tbody></table></details>\n";
}

std::string RenderChartCard(const Chart& chart, bool log_choice) {
  std::string html =
      absl::StrCat("<section class=\"card\"><div class=\"head\"><h3>", EscapeHtml(chart.title));
  if (!chart.unit.empty()) absl::StrAppend(&html, " <small>", EscapeHtml(chart.unit), "</small>");
  absl::StrAppend(&html, "</h3>");
  if (log_choice) {
    absl::StrAppend(&html, "<label class=\"choice\"><input type=\"checkbox\"> log scale</label>");
  }
  absl::StrAppend(&html, "</div>", Legend(chart), "<div class=\"linear\">", RenderChart(chart),
                  "</div>");
  if (log_choice) {
    Chart log_chart = chart;
    log_chart.log_scale = true;
    absl::StrAppend(&html, "<div class=\"log\">", RenderChart(log_chart), "</div>");
  }
  return html + "<div class=\"tip\"></div></section>\n";
}

}  // namespace tpo

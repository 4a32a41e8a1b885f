// The catalogue of metrics against what is exposed and what is documented.
#include "services/metrics/metric_catalogue.h"

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/services/metrics/all_programs.h"

namespace tpo {
namespace {

std::vector<MetricDefinition> AllMetrics() {
  std::vector<MetricDefinition> all;
  for (const MetricSection& section : MetricCatalogue())
    all.insert(all.end(), section.metrics.begin(), section.metrics.end());
  return all;
}

TEST(MetricCatalogue, IsWhatTheProgramsExpose) {
  const AllPrograms programs;
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> help;
  std::map<std::string, std::set<std::string>> labels;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(programs.Text(), '\n'))) {
    std::smatch match;
    if (std::regex_match(line, match, std::regex("# TYPE (\\S+) (\\S+)"))) {
      types[match[1]] = match[2];
    } else if (std::regex_match(line, match, std::regex("# HELP (\\S+) (.*)"))) {
      help[match[1]] = match[2];
    } else if (std::regex_match(line, match, std::regex("([a-z_0-9]+)\\{(.*)\\} \\S+"))) {
      const std::string name =
          std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
      const std::string list = match[2];
      const std::regex label("([a-z_]+)=\"[^\"]*\"");
      for (std::sregex_iterator at(list.begin(), list.end(), label), end; at != end; ++at)
        if ((*at)[1] != "le") labels[name].insert((*at)[1]);
    }
  }
  EXPECT_EQ(types.size(), AllMetrics().size());
  for (const MetricDefinition& metric : AllMetrics()) {
    EXPECT_EQ(types[metric.name], MetricKindName(metric.kind)) << metric.name;
    EXPECT_EQ(help[metric.name], metric.help);
    std::set<std::string> declared;
    for (const MetricLabel& label : metric.labels) declared.insert(label.name);
    EXPECT_EQ(labels[metric.name], declared) << metric.name;
  }
}

TEST(MetricCatalogue, KeepsToTheConventions) {
  std::set<std::string> names;
  for (const MetricDefinition& metric : AllMetrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " is declared twice";
    EXPECT_TRUE(std::regex_match(metric.name, std::regex("tpo_[a-z0-9]+(_[a-z0-9]+)*")));
    EXPECT_EQ(absl::EndsWith(metric.name, "_total"), metric.kind == MetricKind::kCounter)
        << metric.name;
    EXPECT_FALSE(
        std::regex_search(metric.name, std::regex("_(ms|milliseconds|minutes|kb|mb)(_|$)")))
        << metric.name << " isn't in a base unit";
    EXPECT_TRUE(absl::EndsWith(metric.help, ".")) << metric.name;
    EXPECT_EQ(metric.help.find_first_of("\n|\\"), std::string::npos) << metric.name;
    for (const MetricLabel& label : metric.labels) EXPECT_FALSE(label.values.empty());
  }
}

TEST(MetricCatalogue, IsWhatTheDocumentationHas) {
  std::ifstream file("docs/metrics.md");
  std::stringstream page;
  page << file.rdbuf();
  const size_t begin = page.str().find(kMetricsReferenceTitle);
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(page.str().substr(begin), MetricsReference())
      << "replace the part from \"## Prometheus\" on by what `tpo metrics` prints";
}

}  // namespace
}  // namespace tpo

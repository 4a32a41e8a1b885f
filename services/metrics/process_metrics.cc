#include "services/metrics/process_metrics.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {
namespace {

// The fields of /proc/self/stat that are shown; proc(5) counts them from 1.
struct ProcessStat {
  double cpu_seconds = 0;
  double threads = 0;
  double start_seconds_after_boot = 0;
  double resident_bytes = 0;
};

std::optional<ProcessStat> ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The second field, the program's name in parentheses, may contain anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::vector<std::string> field(3);  // so that field[i] is proc(5)'s field i
  for (std::string value; fields >> value;) field.push_back(value);
  if (field.size() <= 24) return std::nullopt;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto number = [&](size_t i) { return std::strtod(field[i].c_str(), nullptr); };
  return ProcessStat{.cpu_seconds = (number(14) + number(15)) / ticks,
                     .threads = number(20),
                     .start_seconds_after_boot = number(22) / ticks,
                     .resident_bytes = number(24) * static_cast<double>(sysconf(_SC_PAGESIZE))};
}

std::optional<double> BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("btime ", 0) == 0) return std::strtod(line.c_str() + 6, nullptr);
  }
  return std::nullopt;
}

std::optional<double> OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return std::nullopt;
  // Without the one that this listing itself has open.
  return static_cast<double>(std::distance(begin(files), end(files)) - 1);
}

class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    const auto add = [&families](const char* name, double value) {
      families.push_back(SingleValue(name, value));
    };
    if (const std::optional<double> files = OpenFiles()) add("tpo_process_open_fds", *files);
    const std::optional<ProcessStat> stat = ReadStat();
    if (!stat.has_value()) return families;
    add("tpo_process_resident_memory_bytes", stat->resident_bytes);
    add("tpo_process_cpu_seconds_total", stat->cpu_seconds);
    add("tpo_process_threads", stat->threads);
    if (boot_time_seconds_.has_value())
      add("tpo_process_start_time_seconds", *boot_time_seconds_ + stat->start_seconds_after_boot);
    return families;
  }

 private:
  const std::optional<double> boot_time_seconds_ = BootTimeSeconds();
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeProcessMetrics() {
  return std::make_shared<ProcessMetrics>();
}

}  // namespace tpo

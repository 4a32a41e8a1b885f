// Everything that one process exposes to Prometheus. Names follow its conventions: prefix tpo_,
// base units, _total on counters; every label has a small fixed set of values.
//
// Always there: tpo_build_info{version,commit,build_type,compiler,program} = 1, and, read from the
// kernel at each scrape, tpo_process_resident_memory_bytes, tpo_process_cpu_seconds_total,
// tpo_process_open_fds, tpo_process_threads and tpo_process_start_time_seconds.
#ifndef TPO_SERVICES_METRICS_METRICS_REGISTRY_H_
#define TPO_SERVICES_METRICS_METRICS_REGISTRY_H_

#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Collectable;
class Registry;
}  // namespace prometheus

namespace tpo {

// Thread-safe but for Add.
class MetricsRegistry {
 public:
  // `program` names the binary, e.g. "tpo-verifier".
  explicit MetricsRegistry(const std::string& program);

  // Where the metrics of this folder register themselves.
  prometheus::Registry& registry() { return *registry_; }

  // Adds metrics that are read at each scrape. Call before a server starts.
  void Add(std::shared_ptr<prometheus::Collectable> collectable);

  // What a scrape gets, in Prometheus' text format.
  std::string Text() const;

 private:
  friend class MetricsServer;
  const std::shared_ptr<prometheus::Registry> registry_;
  // All that a scrape collects; constant once a server serves it.
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_METRICS_REGISTRY_H_

// report.html of a run directory: one file without external assets, so it can be mailed or
// archived.
//
// Shows the curves of metrics.jsonl (error on a linear or log scale with its 20-step moving mean,
// reward, loss, gradient norm, zero-variance fraction, entropies, times), config and summary, and a
// few inspected groups (p_old against q). Any number of steps becomes a file of bounded size:
// curves are thinned to what a screen can show.
//
// Needs no lock and changes nothing else, so it works while the run goes on; whatever isn't there
// yet is left out.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_H_

#include <string>

#include "absl/status/status.h"

namespace tpo {

// Writes `run_dir`/report.html, replacing an older one atomically.
// NOT_FOUND: no such directory, or it has no metrics.jsonl. Other codes: the file couldn't be read
// or written.
absl::Status WriteReport(const std::string& run_dir);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_H_

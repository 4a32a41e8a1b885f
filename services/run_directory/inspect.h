// `tpo inspect`: what Target Policy Optimization did with the groups in groups.jsonl, for people or
// as JSON.
//
// For every group: prompt, reference answer, and for each completion its score, standardized score
// u, anchor probability p_old, target q and policy probability p (all within the group). Reads
// only, takes no lock, so it works while the run goes on.
#ifndef TPO_SERVICES_RUN_DIRECTORY_INSPECT_H_
#define TPO_SERVICES_RUN_DIRECTORY_INSPECT_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace tpo {

struct InspectOptions {
  // Groups of this step; unset: of the newest step that has any.
  std::optional<int64_t> step;
  int max_groups = 4;
  // One JSON object a group and line, as in groups.jsonl, instead of a table.
  bool json = false;
};

// NOT_FOUND: no such run directory, no groups in it, or none of that step (the message names the
// steps there are). INVALID_ARGUMENT: max_groups < 1.
absl::Status InspectRun(const std::string& run_dir, const InspectOptions& options,
                        std::ostream& out);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_INSPECT_H_

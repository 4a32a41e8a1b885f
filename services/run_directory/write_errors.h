// What became of errors in writing that a run survives: each kind is told once, not at every step.
//
// Not thread-safe.
#ifndef TPO_SERVICES_RUN_DIRECTORY_WRITE_ERRORS_H_
#define TPO_SERVICES_RUN_DIRECTORY_WRITE_ERRORS_H_

#include <set>

#include "absl/status/status.h"

namespace tpo {

class WriteErrors {
 public:
  // Takes the outcome of one write. Logs the first error of each kind (status code), and the first
  // success after it.
  void Note(const absl::Status& status);

  // The first error ever noted; OK when there was none.
  const absl::Status& first() const { return first_; }

 private:
  absl::Status first_;
  std::set<absl::StatusCode> logged_;
  bool tell_recovery_ = false;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_WRITE_ERRORS_H_

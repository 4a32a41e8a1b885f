#include "services/run_directory/write_errors.h"

#include <string>

#include "spdlog/spdlog.h"

namespace tpo {

void WriteErrors::Note(const absl::Status& status) {
  if (status.ok()) {
    if (tell_recovery_) spdlog::info("writing works again after: {}", first_.ToString());
    tell_recovery_ = false;
    return;
  }
  if (first_.ok()) first_ = status;
  if (logged_.insert(status.code()).second) {
    tell_recovery_ = true;
    spdlog::error("{}; the run goes on, and this is not reported again", status.ToString());
  }
}

}  // namespace tpo

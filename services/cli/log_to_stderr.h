// Where a program's warnings and notes go. Include in sources that link spdlog only.
#ifndef TPO_SERVICES_CLI_LOG_TO_STDERR_H_
#define TPO_SERVICES_CLI_LOG_TO_STDERR_H_

#include <memory>
#include <string>

#include "spdlog/logger.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace tpo {

// Writes the process's log to standard error, each line with the program's name: standard output is
// for what scripts read, addresses and JSON. REQUIRES: there is no other thread yet.
inline void LogToStandardError(const std::string& program) {
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>(program, std::make_shared<spdlog::sinks::stderr_sink_mt>()));
}

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_LOG_TO_STDERR_H_

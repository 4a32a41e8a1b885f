// Early return on an error status. Include in sources only.
#ifndef TPO_CORE_STATUS_MACROS_H_
#define TPO_CORE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function when `expression`, an absl::Status, isn't OK.
#define TPO_RETURN_IF_ERROR(expression)                             \
  do {                                                              \
    if (absl::Status tpo_status = (expression); !tpo_status.ok()) { \
      return tpo_status;                                            \
    }                                                               \
  } while (false)

// Assigns the value of `expression`, an absl::StatusOr<T>, to `target`, which may be a declaration;
// returns from the enclosing function when it holds an error.
#define TPO_ASSIGN_OR_RETURN(target, expression) \
  TPO_ASSIGN_OR_RETURN_(TPO_STATUS_CONCAT_(tpo_statusor_, __LINE__), target, expression)

#define TPO_ASSIGN_OR_RETURN_(statusor, target, expression) \
  auto statusor = (expression);                             \
  if (!statusor.ok()) {                                     \
    return std::move(statusor).status();                    \
  }                                                         \
  target = std::move(statusor).value()

#define TPO_STATUS_CONCAT_(a, b) TPO_STATUS_CONCAT_INNER_(a, b)
#define TPO_STATUS_CONCAT_INNER_(a, b) a##b

#endif  // TPO_CORE_STATUS_MACROS_H_

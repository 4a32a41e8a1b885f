// `tpo relay`: subscribes once to a learner's weights and hands them on to the workers of its node,
// so that the learner sends each version once a node (services/grpc/relay_service.h).
#ifndef TPO_SERVICES_RELAY_RELAY_COMMAND_H_
#define TPO_SERVICES_RELAY_RELAY_COMMAND_H_

#include "absl/status/status.h"
#include "services/cli/command_line.h"

namespace tpo {

// Serves until the learner's run is over, with command.keep_serving for ever, or until SIGTERM or
// SIGINT; all of that is OK. A learner that can't be reached is waited for. Errors: the input was
// refused, by the learner (its name) or before (INVALID_ARGUMENT, FAILED_PRECONDITION), the learner
// takes this process for no relay (PERMISSION_DENIED), or is none (UNIMPLEMENTED). REQUIRES: there
// is no other thread yet.
absl::Status RunRelay(const RelayCommand& command);

// The main of tpo-relay, which `tpo relay` starts with its own arguments. Returns the exit status.
int RunRelayProgram(int argc, const char* const* argv);

}  // namespace tpo

#endif  // TPO_SERVICES_RELAY_RELAY_COMMAND_H_

// What tpo-verifier does once its flags are parsed: the verifiers that the config's section
// verifier_service names, or else the built-in ones, behind services/verifier_sdk.
#ifndef TPO_SERVICES_VERIFIER_SERVER_VERIFIER_SERVER_H_
#define TPO_SERVICES_VERIFIER_SERVER_VERIFIER_SERVER_H_

#include "services/cli/verifier_command_line.h"

namespace tpo {

// Serves until SIGTERM or SIGINT, then reports NOT_SERVING, finishes the calls in progress and
// returns the exit status: 0 after a signal, 2 when the input was refused, 1 for any other failure;
// says why on stderr. A second signal ends the process at once. Call from main, before there is any
// other thread.
int RunVerifierServer(const VerifierCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_SERVER_VERIFIER_SERVER_H_

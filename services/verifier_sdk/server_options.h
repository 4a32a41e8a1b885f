// From the flags of a verifier's program to its server's options. Thread-safe: a pure function.
#ifndef TPO_SERVICES_VERIFIER_SDK_SERVER_OPTIONS_H_
#define TPO_SERVICES_VERIFIER_SDK_SERVER_OPTIONS_H_

#include "services/cli/verifier_command_line.h"
#include "services/verifier_sdk/verifier_sdk.h"

namespace tpo {

// What no flag was given for has its default.
VerifierServerOptions ServerOptions(const VerifierCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_SDK_SERVER_OPTIONS_H_

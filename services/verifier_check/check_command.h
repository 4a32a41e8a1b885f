// `tpo verifier-check`, once its flags are parsed.
#ifndef TPO_SERVICES_VERIFIER_CHECK_CHECK_COMMAND_H_
#define TPO_SERVICES_VERIFIER_CHECK_CHECK_COMMAND_H_

#include "services/cli/command_line.h"

namespace tpo {

// The whole program tpo-verifier-check, which `tpo` becomes for this command: 0 all checks passed,
// 1 one failed, 2 the arguments were refused or nobody answers.
int RunVerifierCheckProgram(int argc, char** argv);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_CHECK_COMMAND_H_

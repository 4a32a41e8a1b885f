// `tpo` as the user starts it: answers --help, --version, validate, inspect, dataset and report by
// itself, within milliseconds, and becomes another program (engine_process.h) for all else.
#ifndef TPO_SERVICES_CLI_FRONT_END_H_
#define TPO_SERVICES_CLI_FRONT_END_H_

namespace tpo {

// The whole program; returns its exit status (exit_status.h).
int RunFrontEnd(int argc, char** argv);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_FRONT_END_H_

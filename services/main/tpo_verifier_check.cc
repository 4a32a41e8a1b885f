#include <cstdlib>

#include "services/verifier_check/check_command.h"

// All has been said: gRPC's own end could wait seconds for threads that a silent server keeps busy.
int main(int argc, char** argv) { std::quick_exit(tpo::RunVerifierCheckProgram(argc, argv)); }

#include "services/verifier_check/check_command.h"

int main(int argc, char** argv) { return tpo::RunVerifierCheckProgram(argc, argv); }

#include "services/relay/relay_command.h"

int main(int argc, char** argv) { return tpo::RunRelayProgram(argc, argv); }

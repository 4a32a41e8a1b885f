#include "services/cli/front_end.h"

int main(int argc, char** argv) { return tpo::RunFrontEnd(argc, argv); }

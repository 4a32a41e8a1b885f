#include "services/engine/engine.h"

int main(int argc, char** argv) { return tpo::RunEngine(argc, argv); }

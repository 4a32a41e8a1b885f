// The loops for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define TPO_BANDIT_LOOPS_NAMESPACE bandit_loops_avx512
#include "bench/paper/bandits/loops.inc"

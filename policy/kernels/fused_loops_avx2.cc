// The fused loops for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define TPO_KERNELS_NAMESPACE kernels_avx2
#include "policy/kernels/fused_loops.inc"

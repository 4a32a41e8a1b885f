#define TPO_LOOPS_NAMESPACE language_loops_avx2
#define TPO_LOOPS_NAME "avx2"
#define TPO_ROW_TILE 3
#include "policy/language_model/language_loops.inc"

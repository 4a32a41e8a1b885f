#define TPO_LOOPS_NAMESPACE language_loops_avx512
#define TPO_LOOPS_NAME "avx512"
#define TPO_ROW_TILE 12
#include "policy/language_model/language_loops.inc"

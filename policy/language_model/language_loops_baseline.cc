#define TPO_LOOPS_NAMESPACE language_loops_baseline
#define TPO_LOOPS_NAME "baseline"
#define TPO_ROW_TILE 2
#include "policy/language_model/language_loops.inc"

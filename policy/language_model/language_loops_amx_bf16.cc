#define TPO_LOOPS_NAMESPACE language_loops_amx_bf16
#define TPO_LOOPS_NAME "amx_bf16"
#define TPO_ROW_TILE 12
#include "policy/language_model/language_loops.inc"

// Where prompts come from. The stream is a pure function of the position, so that its whole state
// is one number: the cursor that the lease book keeps and checkpoints.
#ifndef TPO_CORE_PROMPT_SOURCE_H_
#define TPO_CORE_PROMPT_SOURCE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/types.h"

namespace tpo {

// Thread-safe.
class PromptSource {
 public:
  virtual ~PromptSource() = default;

  // Prompt number `index` of the run, counted from 0; its id is `index`. The same for every call.
  virtual absl::StatusOr<Prompt> At(uint64_t index) = 0;
};

}  // namespace tpo

#endif  // TPO_CORE_PROMPT_SOURCE_H_

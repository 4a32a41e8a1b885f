// A run's tensors for a checkpoint that is written from where they are (TensorsInPlace). Internal
// to learner/.
#ifndef TPO_LEARNER_STATE_VIEWS_H_
#define TPO_LEARNER_STATE_VIEWS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "learner/checkpoint.h"
#include "policy/parameters.h"

namespace tpo {

// Views of the tensors' bytes, in order: those that BundleTensors would copy. Tensors that don't
// lie in this machine's memory in one piece are copied, and the copies kept. INVALID_ARGUMENT: a
// dtype that files don't know.
absl::StatusOr<std::shared_ptr<const TensorsInPlace>> ViewState(
    const std::vector<NamedParameter>& parameters,
    const std::vector<NamedParameter>& optimizer_state);

}  // namespace tpo

#endif  // TPO_LEARNER_STATE_VIEWS_H_

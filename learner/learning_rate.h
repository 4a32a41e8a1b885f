// The learning rate's course over a run: a factor of the optimizer's own, and a function of the
// step alone, so that a resumed run goes on with it.
//
//   warm-up      (step + 1) / warmup_steps, for the first warmup_steps steps
//   then         1 (constant), or from 1 to final_fraction at the end, where a further step would
//                begin: along a line (linear), or along half a cosine
//
// Pure, thread-safe.
#ifndef TPO_LEARNER_LEARNING_RATE_H_
#define TPO_LEARNER_LEARNING_RATE_H_

#include <cstdint>

#include "core/run_spec.h"

namespace tpo {

// Of step `step`, counted from 0, of a run of `steps`.
double LearningRateFactor(const ScheduleSpec& schedule, int64_t step, int64_t steps);

}  // namespace tpo

#endif  // TPO_LEARNER_LEARNING_RATE_H_

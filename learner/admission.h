// Whether a group that came from a worker may enter the books: everything that later code indexes
// by or computes with is checked here, once. Whether it is fresh enough and verified enough is the
// lease book's question (core/lease_book.h).
//
// Pure, thread-safe.
#ifndef TPO_LEARNER_ADMISSION_H_
#define TPO_LEARNER_ADMISSION_H_

#include "absl/status/status.h"
#include "core/run_spec.h"
#include "core/types.h"

namespace tpo {

// Rounding may lift the log-prob of a sure token above 0 by this much.
inline constexpr float kLogProbTolerance = 1e-4F;

// INVALID_ARGUMENT names the first field at fault with its indices, as in
// "completions[3].tokens[7]: …":
//  * K completions and K verdicts, K as sampled;
//  * 1 to max_tokens tokens in [0, vocab_size), a finish reason;
//  * one log-prob per token, finite and at most 0 (up to kLogProbTolerance);
//  * candidates [T, C] with their log-probs when C > 0, candidate 0 of a row being the completion's
//  token; else none;
//  * weight versions that start at token 0, ascend, lie within the completion and aren't negative;
//  * verdicts of a known kind; a scored one finite in all its numbers, with one token reward per
//  token, or per candidate
//    when C > 0, if they are wanted; numbers of other verdicts aren't looked at.
absl::Status ValidateGroup(const Group& group, const SamplingSpec& sampling, int vocab_size,
                           bool want_token_rewards);

}  // namespace tpo

#endif  // TPO_LEARNER_ADMISSION_H_

// The requests that checks send, all derived from one sample: a prompt with completions of
// different worth. Pure functions; for sources of this folder.
#ifndef TPO_SERVICES_VERIFIER_CHECK_SAMPLE_GROUP_H_
#define TPO_SERVICES_VERIFIER_CHECK_SAMPLE_GROUP_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {

// A task that the pattern matches, e.g. "sequence/reverse_copy/bag_of_tokens" for "sequence/*".
std::string TaskThatMatches(const std::string& pattern);

// Whether one of the patterns takes the task.
bool IsDescribed(const v1::DescribeResponse& description, const std::string& task);

// A prompt that fits the task's name, with four completions of which the first is right: for
// "sequence/…" tokens with reference tokens, else text with a reference answer.
v1::VerifyRequest BuiltInSample(const std::string& task);

// From protobuf JSON. What a request needs and the text may leave out is filled in: tokens, how the
// completion ended, its weight version. INVALID_ARGUMENT: not a VerifyRequest, or without prompt or
// completions.
absl::StatusOr<v1::VerifyRequest> SampleFromJson(const std::string& json);

// A completion as a worker sends it. The tokens of a text are its bytes.
v1::Completion MakeTextCompletion(const std::string& text);
v1::Completion MakeTokenCompletion(const std::vector<int>& tokens);

// The sample with these of its completions, in this order.
v1::VerifyRequest Pick(const v1::VerifyRequest& sample, const std::vector<int>& which);

// The sample with `count` completions: its own, then variations of them, all different.
v1::VerifyRequest Resize(const v1::VerifyRequest& sample, int count);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_SAMPLE_GROUP_H_

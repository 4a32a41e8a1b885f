// The JSON bodies that a kind of reward server takes and gives. Pure: no network, no clock.
//
// What a shape says of an answer is typed: a number is a score, whatever else stands in its place
// is a failure that names the field, and never a score. true and false count as 1 and 0, since
// graders in Python often return a comparison.
//
// Thread-safe: immutable.
#ifndef TPO_SERVICES_HTTP_BRIDGE_REWARD_SHAPE_H_
#define TPO_SERVICES_HTTP_BRIDGE_REWARD_SHAPE_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/types.h"

namespace tpo {

enum class HttpRewardShape { kOpenRlhf, kSlime, kNemoGym };

struct RewardShapeOptions {
  // Field of the answer that holds the score. Empty: `rewards` (OpenRLHF), the answer itself
  // (slime), `reward` (NeMo Gym).
  std::string score_field;
  // OpenRLHF only: most completions in one request; 0: the whole group.
  size_t completions_per_request = 0;
  // NeMo Gym only: field of the request that holds the reference answer.
  std::string label_field = "expected_answer";
  // NeMo Gym only: keys of the prompt's metadata whose values are JSON texts; others are sent as
  // strings.
  std::vector<std::string> json_metadata;
};

// One completion as text.
struct RewardItem {
  std::string query;  // prompt and response together
  std::string response;
  bool is_truncated = false;  // by the limit on its length
};

// What one request asks about: completions of one prompt.
struct RewardQuestion {
  uint64_t prompt_id = 0;
  std::string prompt;
  std::string label;  // the reference answer
  std::map<std::string, std::string> metadata;
  std::vector<RewardItem> items;  // at most CompletionsPerRequest()
};

class RewardShape {
 public:
  virtual ~RewardShape() = default;

  // Most completions in one request; 0: no limit.
  virtual size_t CompletionsPerRequest() const = 0;

  // The body of a request. Bytes of texts that aren't UTF-8 are sent as U+FFFD. INVALID_ARGUMENT:
  // the prompt's metadata can't be sent; the message names the key.
  virtual absl::StatusOr<std::string> RequestBody(const RewardQuestion& question) const = 0;

  // One verdict for each of the `count` completions that were asked about, whatever `body` holds.
  virtual std::vector<Verdict> Verdicts(const std::string& body, size_t count) const = 0;
};

// INVALID_ARGUMENT: an option that the shape has no use for.
absl::StatusOr<std::unique_ptr<RewardShape>> MakeRewardShape(HttpRewardShape shape,
                                                             const RewardShapeOptions& options);

// One file each.
std::unique_ptr<RewardShape> MakeOpenRlhfShape(const RewardShapeOptions& options);
std::unique_ptr<RewardShape> MakeSlimeShape(const RewardShapeOptions& options);
std::unique_ptr<RewardShape> MakeNemoGymShape(const RewardShapeOptions& options);

}  // namespace tpo

#endif  // TPO_SERVICES_HTTP_BRIDGE_REWARD_SHAPE_H_

// Config texts for the tests of services/config.
#ifndef TPO_TESTS_SERVICES_CONFIG_CONFIG_TEXT_H_
#define TPO_TESTS_SERVICES_CONFIG_CONFIG_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/config/config.h"

namespace tpo {

// The least that a config must say, on the lines 1 to 6.
inline constexpr char kLeast[] =
    "task:\n"
    "  sequence:\n"
    "    target: reverse_copy\n"
    "    reward: bag_of_tokens\n"
    "    vocab_size: 2\n"
    "    length: 7\n";

// The same of a run with a language model, on the lines 1 to 4.
inline constexpr char kLeastDataset[] =
    "task:\n"
    "  dataset: {path: prompts.jsonl}\n"
    "model:\n"
    "  hf: {path: models/small}\n";

// kLeast with `more` from line 7 on.
inline absl::StatusOr<v1::Config> ParseLeastAnd(const std::string& more,
                                                const std::vector<std::string>& overrides = {}) {
  return ParseConfig(kLeast + more, "run.yaml", overrides);
}

// The message of a refusal; empty when there was none.
inline std::string ErrorOf(const absl::StatusOr<v1::Config>& config) {
  return std::string(config.status().message());
}

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_CONFIG_CONFIG_TEXT_H_

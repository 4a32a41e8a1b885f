// A file of prompts, one JSON object a line:
//
//   {"prompt": "What is 12 + 7?", "answer": "19"}
//   {"messages": [{"role": "user", "content": "Name a colour."}], "task": "colors", "level": 3}
//
// A row has a prompt, which is a text, or messages, a conversation to be rendered by the model's
// chat template; `prompt` may be such a list too. `answer` is what verifiers compare with; `task`
// chooses the verifier; `tools` are JSON schemas for the template. All other fields are metadata.
// Blank lines don't count. A row is read by policy/strict_json.h: no key twice, no deep nesting.
//
// Rows are read when they are asked for, and of the index a byte and a quarter a row is kept, so
// memory doesn't grow with what the rows hold. All rows are read once when it is opened: a bad one
// is refused with its line before anything was computed. Immutable and thread-safe.
#ifndef TPO_POLICY_DATASET_JSONL_DATASET_H_
#define TPO_POLICY_DATASET_JSONL_DATASET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "policy/dataset/positioned_file.h"

namespace tpo {

struct DatasetRow {
  // Either a text, or a list of messages; the other one is empty.
  std::string prompt;
  nlohmann::ordered_json messages;
  // Numbers and other JSON as written in JSON.
  std::string answer;
  std::string task;  // empty: not given
  nlohmann::ordered_json tools;
  std::map<std::string, std::string> metadata;
  // In the file, from 1.
  uint64_t line = 0;
};

struct JsonlOptions {
  // Names of fields in this file.
  std::string prompt_field = "prompt";
  std::string answer_field = "answer";
  // Longer lines are refused.
  size_t max_line_bytes = 4'000'000;
};

class JsonlDataset {
 public:
  // Errors name file and line. INVALID_ARGUMENT: a bad row, or none at all.
  static absl::StatusOr<std::unique_ptr<const JsonlDataset>> Open(const std::string& path,
                                                                  JsonlOptions options = {});

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  // Changes with the file's bytes: a run that goes on has to find the same ones.
  uint32_t checksum() const { return checksum_; }

  // REQUIRES: row < size(). Errors name the file: FAILED_PRECONDITION: it has become shorter, or
  // the row, or one of the few that are checked with it, isn't what it was.
  absl::StatusOr<DatasetRow> Row(uint64_t row) const;

 private:
  struct Place {
    uint64_t offset = 0;
    uint64_t line = 0;
  };

  class Lines;

  JsonlDataset(std::string path, JsonlOptions options, std::unique_ptr<PositionedFile> file);
  absl::Status ComputeChecksum();
  absl::Status BuildIndex();
  absl::StatusOr<DatasetRow> ParseRow(std::string_view text, uint64_t line) const;

  const std::string path_;
  const JsonlOptions options_;
  const std::unique_ptr<PositionedFile> file_;
  uint64_t size_ = 0;
  uint32_t checksum_ = 0;
  std::vector<Place> index_;  // of each sixteenth row
  // CRC-32C of the rows from each of these places to the next.
  std::vector<uint32_t> row_checksums_;
};

}  // namespace tpo

#endif  // TPO_POLICY_DATASET_JSONL_DATASET_H_

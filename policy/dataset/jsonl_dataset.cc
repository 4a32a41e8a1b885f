#include "policy/dataset/jsonl_dataset.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/status_macros.h"
#include "core/weight_snapshot.h"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kRowsPerPlace = 16;
constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// Strings as they are, other JSON as it is written.
std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

absl::Status CheckMessages(const Json& messages) {
  if (messages.empty()) return absl::InvalidArgumentError("the list of messages is empty");
  for (const Json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
      return absl::InvalidArgumentError("a message isn't an object with a role");
    }
  }
  return absl::OkStatus();
}

absl::Status TakeField(const JsonlOptions& options, const std::string& name, Json& value,
                       DatasetRow* row) {
  if (value.is_null()) return absl::OkStatus();
  if (name == options.prompt_field && value.is_string()) {
    row->prompt = value.get<std::string>();
  } else if (name == options.prompt_field || name == "messages") {
    if (!value.is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", name, "' is neither a text nor a list of messages"));
    }
    TPO_RETURN_IF_ERROR(CheckMessages(value));
    if (!row->messages.is_null()) return absl::InvalidArgumentError("it has messages twice");
    row->messages = std::move(value);
  } else if (name == options.answer_field) {
    row->answer = TextOf(value);
  } else if (name == "task") {
    if (!value.is_string()) return absl::InvalidArgumentError("'task' isn't a text");
    row->task = value.get<std::string>();
  } else if (name == "tools") {
    if (!value.is_array()) return absl::InvalidArgumentError("'tools' isn't a list");
    row->tools = std::move(value);
  } else {
    row->metadata[name] = TextOf(value);
  }
  return absl::OkStatus();
}

}  // namespace

JsonlDataset::JsonlDataset(std::string path, JsonlOptions options, std::unique_ptr<MappedFile> file)
    : path_(std::move(path)), options_(std::move(options)), file_(std::move(file)) {}

absl::StatusOr<std::unique_ptr<const JsonlDataset>> JsonlDataset::Open(const std::string& path,
                                                                       JsonlOptions options) {
  TPO_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  std::unique_ptr<JsonlDataset> dataset(
      new JsonlDataset(path, std::move(options), std::move(file)));
  TPO_RETURN_IF_ERROR(dataset->BuildIndex());
  return std::unique_ptr<const JsonlDataset>(std::move(dataset));
}

std::string_view JsonlDataset::NextLine(Place* place, uint64_t* line) const {
  const std::string_view bytes = file_->bytes();
  while (place->offset < bytes.size()) {
    const size_t end = std::min(bytes.find('\n', place->offset), bytes.size());
    const std::string_view text = bytes.substr(place->offset, end - place->offset);
    *line = place->line;
    place->offset = end + 1;
    ++place->line;
    if (!IsBlank(text)) return text;
  }
  return {};
}

absl::Status JsonlDataset::BuildIndex() {
  const std::string_view bytes = file_->bytes();
  checksum_ =
      Crc32c(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  Place place = {bytes.starts_with(kByteOrderMark) ? sizeof(kByteOrderMark) - 1 : 0, 1};
  while (true) {
    const Place begin = place;
    uint64_t line = 0;
    const std::string_view text = NextLine(&place, &line);
    if (text.empty()) break;
    TPO_RETURN_IF_ERROR(ParseRow(text, line).status());
    if (size_++ % kRowsPerPlace == 0) index_.push_back(begin);
  }
  if (size_ == 0) return absl::InvalidArgumentError(absl::StrCat(path_, ": it has no rows"));
  return absl::OkStatus();
}

absl::StatusOr<DatasetRow> JsonlDataset::ParseRow(std::string_view text, uint64_t line) const {
  const auto refused = [&](absl::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line, ": ", reason));
  };
  if (text.size() > options_.max_line_bytes) {
    return refused(
        absl::StrCat("the line has ", text.size(), " bytes, more than ", options_.max_line_bytes));
  }
  DatasetRow row;
  row.line = line;
  absl::StatusOr<Json> object = ParseStrictJson<Json>(text);
  if (!object.ok()) return refused(object.status().message());
  if (!object->is_object()) return refused("the line isn't a JSON object");
  for (const auto& [name, value] : object->items()) {
    const absl::Status taken = TakeField(options_, name, value, &row);
    if (!taken.ok()) return refused(taken.message());
  }
  if (row.prompt.empty() == row.messages.is_null()) {
    return refused(absl::StrCat("a row has either a '", options_.prompt_field, "' or 'messages'"));
  }
  return row;
}

absl::StatusOr<DatasetRow> JsonlDataset::Row(uint64_t row) const {
  Place place = index_[row / kRowsPerPlace];
  uint64_t line = 0;
  std::string_view text;
  for (uint64_t i = 0; i <= row % kRowsPerPlace; ++i) text = NextLine(&place, &line);
  return ParseRow(text, line);
}

}  // namespace tpo

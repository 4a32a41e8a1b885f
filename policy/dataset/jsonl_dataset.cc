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
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Of the file at a time.
constexpr size_t kBytesAtATime = 64 << 10;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

uint32_t Extend(uint32_t checksum, std::string_view bytes) {
  return ExtendCrc32c(
      checksum,
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
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

// The lines that aren't blank, from a place on.
class JsonlDataset::Lines {
 public:
  // Of a line longer than `most_bytes` a part is read that is longer, too.
  Lines(const PositionedFile& file, size_t most_bytes, Place begin)
      : file_(file), most_bytes_(most_bytes), next_(begin) {}

  // Goes to the next one; false: there is none.
  absl::StatusOr<bool> Next() {
    while (next_.offset < file_.size()) {
      place_ = next_;
      TPO_RETURN_IF_ERROR(Read());
      if (!IsBlank(text_)) return true;
    }
    return false;
  }

  const Place& place() const { return place_; }
  std::string_view text() const { return text_; }  // valid until Next

 private:
  absl::Status Read() {
    size_t end = buffer_.find('\n', used_);
    while (end == std::string::npos && buffer_.size() - used_ <= most_bytes_ &&
           next_.offset + (buffer_.size() - used_) < file_.size()) {
      buffer_.erase(0, std::exchange(used_, 0));
      const size_t searched = buffer_.size();
      TPO_RETURN_IF_ERROR(file_.Append(next_.offset + searched, kBytesAtATime, &buffer_));
      end = buffer_.find('\n', searched);
    }
    end = std::min(end, buffer_.size());
    text_ = std::string_view(buffer_).substr(used_, end - used_);
    next_.offset += text_.size() + 1;
    ++next_.line;
    used_ = std::min(end + 1, buffer_.size());
    return absl::OkStatus();
  }

  const PositionedFile& file_;
  const size_t most_bytes_;
  Place next_;
  Place place_;
  std::string_view text_;
  std::string buffer_;
  size_t used_ = 0;  // of the buffer
};

JsonlDataset::JsonlDataset(std::string path, JsonlOptions options,
                           std::unique_ptr<PositionedFile> file)
    : path_(std::move(path)), options_(std::move(options)), file_(std::move(file)) {}

absl::StatusOr<std::unique_ptr<const JsonlDataset>> JsonlDataset::Open(const std::string& path,
                                                                       JsonlOptions options) {
  TPO_ASSIGN_OR_RETURN(auto file, PositionedFile::Open(path));
  std::unique_ptr<JsonlDataset> dataset(
      new JsonlDataset(path, std::move(options), std::move(file)));
  TPO_RETURN_IF_ERROR(dataset->ComputeChecksum());
  TPO_RETURN_IF_ERROR(dataset->BuildIndex());
  return std::unique_ptr<const JsonlDataset>(std::move(dataset));
}

absl::Status JsonlDataset::ComputeChecksum() {
  std::string bytes;
  for (uint64_t offset = 0; offset < file_->size(); offset += bytes.size()) {
    bytes.clear();
    TPO_RETURN_IF_ERROR(file_->Append(offset, kBytesAtATime, &bytes));
    checksum_ = Extend(checksum_, bytes);
  }
  return absl::OkStatus();
}

absl::Status JsonlDataset::BuildIndex() {
  std::string mark;
  TPO_RETURN_IF_ERROR(file_->Append(0, kByteOrderMark.size(), &mark));
  Lines lines(*file_, options_.max_line_bytes,
              {mark == kByteOrderMark ? kByteOrderMark.size() : 0, 1});
  while (true) {
    TPO_ASSIGN_OR_RETURN(const bool found, lines.Next());
    if (!found) break;
    TPO_RETURN_IF_ERROR(ParseRow(lines.text(), lines.place().line).status());
    if (size_++ % kRowsPerPlace == 0) {
      index_.push_back(lines.place());
      row_checksums_.push_back(0);
    }
    row_checksums_.back() = Extend(row_checksums_.back(), lines.text());
  }
  if (size_ == 0) return absl::InvalidArgumentError(absl::StrCat(path_, ": it has no rows"));
  return absl::OkStatus();
}

absl::StatusOr<DatasetRow> JsonlDataset::ParseRow(std::string_view text, uint64_t line) const {
  const auto refused = [&](absl::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line, ": ", reason));
  };
  if (text.size() > options_.max_line_bytes) {
    return refused(absl::StrCat("the line has more than ", options_.max_line_bytes, " bytes"));
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
  const auto changed = [this](absl::string_view how) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " has changed since it was opened: ", how));
  };
  const uint64_t place = row / kRowsPerPlace;
  const uint64_t first = place * kRowsPerPlace;
  const uint64_t end = std::min(first + kRowsPerPlace, size_);
  Lines lines(*file_, options_.max_line_bytes, index_[place]);
  DatasetRow wanted;
  uint32_t checksum = 0;
  for (uint64_t i = first; i < end; ++i) {
    TPO_ASSIGN_OR_RETURN(const bool found, lines.Next());
    if (!found) return changed(absl::StrCat("there is no row ", i, " any more"));
    checksum = Extend(checksum, lines.text());
    if (i != row) continue;
    absl::StatusOr<DatasetRow> parsed = ParseRow(lines.text(), lines.place().line);
    if (!parsed.ok()) return changed(parsed.status().message());
    wanted = *std::move(parsed);
  }
  // A file that was written anew may well have rows at these places, but others.
  if (checksum != row_checksums_[place]) {
    return changed(absl::StrCat("rows ", first, " to ", end - 1, " aren't what they were"));
  }
  return wanted;
}

}  // namespace tpo

#include "policy/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr char kMetadataKey[] = "__metadata__";
constexpr std::array<std::pair<TensorType, const char*>, 5> kTypes = {{
    {TensorType::kFloat32, "F32"},
    {TensorType::kFloat64, "F64"},
    {TensorType::kBfloat16, "BF16"},
    {TensorType::kFloat16, "F16"},
    {TensorType::kInt64, "I64"},
}};

// A tensor as the header has it.
struct Entry {
  TensorSpec spec;
  uint64_t begin = 0;  // within the data
  uint64_t end = 0;
};

absl::Status Refuse(const std::string& reason) {
  return absl::InvalidArgumentError(absl::StrCat("not a valid safetensors file: ", reason));
}

absl::Status RefuseTensor(const std::string& name, const std::string& reason) {
  return Refuse(absl::StrCat("tensor '", name, "' ", reason));
}

absl::StatusOr<std::string_view> HeaderOf(std::string_view file) {
  if (file.size() < kLengthBytes) {
    return Refuse(absl::StrCat("it has ", file.size(), " bytes, less than the header's length"));
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxSafetensorsHeaderBytes) {
    return Refuse(absl::StrCat("its header has ", length, " bytes, more than the ",
                               kMaxSafetensorsHeaderBytes, " that are read"));
  }
  if (length > file.size() - kLengthBytes) {
    return Refuse(absl::StrCat("its header has ", length, " bytes, but only ",
                               file.size() - kLengthBytes, " follow"));
  }
  return file.substr(kLengthBytes, length);
}

absl::StatusOr<Json> ParseHeader(std::string_view text) {
  absl::StatusOr<Json> header = ParseStrictJson<Json>(text);
  if (!header.ok())
    return Refuse(absl::StrCat("its header is bad JSON: ", header.status().message()));
  if (!header->is_object()) return Refuse("its header isn't a JSON object");
  return header;
}

absl::Status CheckMetadata(const Json& metadata) {
  if (!metadata.is_object()) return Refuse("__metadata__ isn't a JSON object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) return Refuse(absl::StrCat("__metadata__ '", key, "' isn't a string"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorType> ParseType(const std::string& name, const Json& fields) {
  const auto dtype = fields.find("dtype");
  if (dtype == fields.end() || !dtype->is_string()) return RefuseTensor(name, "has no dtype");
  const auto& text = dtype->get_ref<const std::string&>();
  for (const auto& [type, type_name] : kTypes) {
    if (text == type_name) return type;
  }
  return RefuseTensor(
      name, absl::StrCat("has the dtype '", text, "'; supported are F32, F64, BF16, F16 and I64"));
}

absl::StatusOr<std::vector<int64_t>> ParseShape(const std::string& name, const Json& fields) {
  const auto shape = fields.find("shape");
  if (shape == fields.end() || !shape->is_array()) return RefuseTensor(name, "has no shape");
  std::vector<int64_t> extents;
  for (const Json& extent : *shape) {
    if (!extent.is_number_unsigned() || extent.get<uint64_t>() > (uint64_t{1} << 62)) {
      return RefuseTensor(name, absl::StrCat("has the extent ", extent.dump()));
    }
    extents.push_back(extent.get<int64_t>());
  }
  return extents;
}

absl::Status ParsePlace(const Json& fields, Entry* entry) {
  const auto offsets = fields.find("data_offsets");
  if (offsets == fields.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    return RefuseTensor(entry->spec.name, "has no data_offsets of the form [begin, end]");
  }
  entry->begin = (*offsets)[0].get<uint64_t>();
  entry->end = (*offsets)[1].get<uint64_t>();
  if (entry->begin > entry->end) {
    return RefuseTensor(entry->spec.name, absl::StrCat("begins at ", entry->begin,
                                                       ", after its end at ", entry->end));
  }
  return absl::OkStatus();
}

absl::StatusOr<Entry> ParseEntry(const std::string& name, const Json& fields) {
  if (!fields.is_object()) return RefuseTensor(name, "isn't described by a JSON object");
  for (const auto& [key, value] : fields.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return RefuseTensor(name, absl::StrCat("has the unknown field '", key, "'"));
    }
  }
  Entry entry;
  entry.spec.name = name;
  TPO_ASSIGN_OR_RETURN(entry.spec.type, ParseType(name, fields));
  TPO_ASSIGN_OR_RETURN(entry.spec.shape, ParseShape(name, fields));
  TPO_RETURN_IF_ERROR(ParsePlace(fields, &entry));
  return entry;
}

// The entries, ascending, after a check that they cover the data exactly.
absl::StatusOr<std::vector<Entry>> ParseEntries(const Json& header, uint64_t data_size) {
  std::vector<Entry> entries;
  for (const auto& [name, fields] : header.items()) {
    if (name == kMetadataKey) {
      TPO_RETURN_IF_ERROR(CheckMetadata(fields));
      continue;
    }
    TPO_ASSIGN_OR_RETURN(entries.emplace_back(), ParseEntry(name, fields));
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      const char* const fault = entry.begin < covered ? "overlaps another" : "leaves a gap";
      return RefuseTensor(entry.spec.name, absl::StrCat(fault, ": it begins at ", entry.begin,
                                                        ", expected ", covered));
    }
    if (entry.end > data_size) {
      return RefuseTensor(entry.spec.name, absl::StrCat("ends at ", entry.end, ", but only ",
                                                        data_size, " bytes of data follow"));
    }
    covered = entry.end;
  }
  if (covered != data_size) {
    return Refuse(absl::StrCat(data_size - covered, " bytes at its end belong to no tensor"));
  }
  return entries;
}

absl::Status CheckSize(const Entry& entry) {
  const absl::StatusOr<uint64_t> needed = TensorSizeBytes(entry.spec);
  if (!needed.ok()) return Refuse(std::string(needed.status().message()));
  if (*needed == entry.end - entry.begin) return absl::OkStatus();
  return RefuseTensor(entry.spec.name, absl::StrCat("has ", entry.end - entry.begin,
                                                    " bytes, its shape needs ", *needed));
}

std::string_view BytesOf(const TensorBundle& bundle, const TensorSpec& tensor) {
  const absl::Span<const std::byte> bytes = bundle.bytes(tensor);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<SafetensorsView> ViewsOf(const TensorBundle& bundle) {
  std::vector<SafetensorsView> views;
  for (const TensorSpec& tensor : bundle.tensors())
    views.push_back({tensor, BytesOf(bundle, tensor)});
  return views;
}

const char* NameOf(TensorType type) {
  for (const auto& [entry, name] : kTypes) {
    if (entry == type) return name;
  }
  return "";  // a bundle holds no other
}

}  // namespace

absl::StatusOr<std::vector<SafetensorsView>> ViewSafetensors(std::string_view file) {
  TPO_ASSIGN_OR_RETURN(const std::string_view text, HeaderOf(file));
  TPO_ASSIGN_OR_RETURN(const Json header, ParseHeader(text));
  const std::string_view data = file.substr(kLengthBytes + text.size());
  TPO_ASSIGN_OR_RETURN(std::vector<Entry> entries, ParseEntries(header, data.size()));

  std::vector<SafetensorsView> views;
  views.reserve(entries.size());
  for (Entry& entry : entries) {
    TPO_RETURN_IF_ERROR(CheckSize(entry));
    const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
    views.push_back({std::move(entry.spec), bytes});
  }
  return views;
}

absl::StatusOr<TensorBundle> ParseSafetensors(std::string_view file) {
  TPO_ASSIGN_OR_RETURN(const std::vector<SafetensorsView> views, ViewSafetensors(file));
  std::vector<TensorSpec> specs;
  for (const SafetensorsView& view : views) specs.push_back(view.spec);
  TPO_ASSIGN_OR_RETURN(TensorBundle bundle, TensorBundle::Create(std::move(specs)));
  for (size_t i = 0; i < views.size(); ++i) {
    const absl::Span<std::byte> target = bundle.bytes(bundle.tensors()[i]);
    if (!target.empty()) std::memcpy(target.data(), views[i].bytes.data(), target.size());
  }
  return bundle;
}

SafetensorsPieces::SafetensorsPieces(const TensorBundle& bundle,
                                     const std::map<std::string, std::string>& metadata)
    : SafetensorsPieces(ViewsOf(bundle), metadata) {}

SafetensorsPieces::SafetensorsPieces(const std::vector<SafetensorsView>& tensors,
                                     const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const SafetensorsView& tensor : tensors) {
    header[tensor.spec.name] = {{"dtype", NameOf(tensor.spec.type)},
                                {"shape", tensor.spec.shape},
                                {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  // So that the data is aligned for readers that map the file.
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  header_.resize(kLengthBytes);
  std::memcpy(header_.data(), &length, kLengthBytes);
  header_ += text;
  pieces_.push_back(header_);
  for (const SafetensorsView& tensor : tensors) pieces_.push_back(tensor.bytes);
}

absl::StatusOr<TensorBundle> ReadSafetensors(FileSystem* file_system, const std::string& path) {
  TPO_ASSIGN_OR_RETURN(const std::string file, file_system->ReadFile(path));
  absl::StatusOr<TensorBundle> bundle = ParseSafetensors(file);
  if (!bundle.ok()) {
    return absl::Status(bundle.status().code(),
                        absl::StrCat(path, ": ", bundle.status().message()));
  }
  return bundle;
}

absl::Status WriteSafetensors(FileSystem* file_system, const std::string& path,
                              const TensorBundle& bundle,
                              const std::map<std::string, std::string>& metadata) {
  const SafetensorsPieces file(bundle, metadata);
  return file_system->WriteFile(path, file.pieces());
}

}  // namespace tpo

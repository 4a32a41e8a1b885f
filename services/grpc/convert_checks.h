// What the sources of convert.h share. Include in those only.
#ifndef TPO_SERVICES_GRPC_CONVERT_CHECKS_H_
#define TPO_SERVICES_GRPC_CONVERT_CHECKS_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/grpc/convert.h"
#include "services/grpc/message_limits.h"

namespace tpo {

// Puts the name of the enclosing field before the message.
inline absl::Status InField(const std::string& field, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(field, ".", status.message()));
}

inline absl::Status CheckFinite(double value, const std::string& field) {
  if (std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": not a finite number"));
}

inline absl::Status CheckNotNegative(int64_t value, const char* field) {
  if (value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " is negative"));
}

// A size or a count.
inline absl::Status CheckDimension(int64_t value, const char* field) {
  if (value >= 0 && value <= kMaxDimension) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, value < 0 ? " is negative" : " is beyond any model"));
}

inline absl::Status CheckKey(const std::string& text, const std::string& field) {
  if (text.size() <= kMaxKeyBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", text.size(), " bytes; at most ", kMaxKeyBytes));
}

inline absl::Status CheckListed(int count, const char* field) {
  if (count <= kMaxListed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", count, " entries; at most ", kMaxListed));
}

// A list of short texts.
template <typename Repeated>
absl::Status CheckKeys(const Repeated& texts, const char* field) {
  if (absl::Status status = CheckListed(texts.size(), field); !status.ok()) return status;
  for (int i = 0; i < texts.size(); ++i) {
    absl::Status status = CheckKey(texts.Get(i), absl::StrCat(field, "[", i, "]"));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

inline absl::StatusOr<absl::Duration> PositiveFromProto(const google::protobuf::Duration& proto,
                                                        const char* field) {
  absl::StatusOr<absl::Duration> duration = FromProto(proto);
  if (!duration.ok() || *duration <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": not a positive duration"));
  }
  return duration;
}

// `last` is the enum's highest number; all below are in use.
inline absl::Status CheckEnum(int value, int last, const char* field) {
  if (value > 0 && value <= last) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      field, value == 0 ? std::string(": unspecified") : absl::StrCat(": unknown value ", value)));
}

// Converts a repeated field of messages; an error says which element.
template <typename T, typename Repeated>
absl::StatusOr<std::vector<T>> AllFromProto(const Repeated& protos, const char* field) {
  std::vector<T> values;
  values.reserve(static_cast<size_t>(protos.size()));
  for (int i = 0; i < protos.size(); ++i) {
    absl::StatusOr<T> value = FromProto(protos.Get(i));
    if (!value.ok()) return InField(absl::StrCat(field, "[", i, "]"), value.status());
    values.push_back(*std::move(value));
  }
  return values;
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_CONVERT_CHECKS_H_

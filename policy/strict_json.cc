#include "policy/strict_json.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/json_depth.h"

namespace tpo {
namespace {

// What the parser tells, put together.
template <typename Json>
class StrictJsonBuilder : public nlohmann::json_sax<Json> {
 public:
  using typename nlohmann::json_sax<Json>::binary_t;

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(int64_t value) override { return Add(value); }
  bool number_unsigned(uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string& /*text*/) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return Refuse("it holds binary data"); }
  bool start_object(size_t /*size*/) override { return Start(Json::object()); }
  bool start_array(size_t /*size*/) override { return Start(Json::array()); }
  bool end_object() override { return End(); }
  bool end_array() override { return End(); }
  bool key(std::string& value) override {
    if (!open_.back().keys.insert(value).second)
      return Refuse(absl::StrCat("the key '", value, "' occurs twice"));
    open_.back().key = std::move(value);
    return true;
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    return Refuse(error.what());
  }

  Json TakeRoot() { return std::move(root_); }
  const std::string& fault() const { return fault_; }

 private:
  struct Open {
    Json value;
    absl::flat_hash_set<std::string> keys;
    std::string key;  // of the member that comes next
  };

  bool Refuse(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }
  bool Start(Json container) {
    if (open_.size() == static_cast<size_t>(kMostJsonLevels))
      return Refuse(absl::StrCat("nested deeper than ", kMostJsonLevels, " levels"));
    open_.push_back({.value = std::move(container), .keys = {}, .key = {}});
    return true;
  }
  // A container is put into the one around it when it is complete.
  bool End() {
    Json container = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(container));
  }
  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Open& parent = open_.back();
    if (parent.value.is_array()) {
      parent.value.push_back(std::move(value));
      return true;
    }
    auto& members = parent.value.template get_ref<typename Json::object_t&>();
    // An ordered object is a vector, whose emplace() looks for the key first.
    if constexpr (requires { members.emplace_back(std::move(parent.key), std::move(value)); }) {
      members.emplace_back(std::move(parent.key), std::move(value));
    } else {
      members.emplace(std::move(parent.key), std::move(value));
    }
    return true;
  }

  Json root_;
  std::vector<Open> open_;
  std::string fault_;
};

}  // namespace

template <typename Json>
absl::StatusOr<Json> ParseStrictJson(std::string_view text) {
  StrictJsonBuilder<Json> builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    return absl::InvalidArgumentError(builder.fault());
  return builder.TakeRoot();
}

template absl::StatusOr<nlohmann::json> ParseStrictJson(std::string_view text);
template absl::StatusOr<nlohmann::ordered_json> ParseStrictJson(std::string_view text);

}  // namespace tpo

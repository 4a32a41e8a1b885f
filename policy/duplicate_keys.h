// Finds keys that occur twice in one object of a JSON text, of which the library would keep one.
// Pass watch() to Json::parse; `Json` is nlohmann's, ordered or not.
#ifndef TPO_POLICY_DUPLICATE_KEYS_H_
#define TPO_POLICY_DUPLICATE_KEYS_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tpo {

template <typename Json>
class DuplicateKeys {
 public:
  // For one text. The returned function refers to this object.
  auto watch() {
    return [this](int /*depth*/, typename Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::object_start) open_objects_.emplace_back();
      if (event == Json::parse_event_t::object_end) open_objects_.pop_back();
      if (event == Json::parse_event_t::key) {
        const auto& key = parsed.template get_ref<const std::string&>();
        if (!open_objects_.back().insert(key).second) found_ = key;
      }
      return true;
    };
  }

  // The last one, if any.
  const std::optional<std::string>& found() const { return found_; }

 private:
  std::vector<std::set<std::string>> open_objects_;
  std::optional<std::string> found_;
};

}  // namespace tpo

#endif  // TPO_POLICY_DUPLICATE_KEYS_H_

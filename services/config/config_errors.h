// Errors of one config, gathered so that a user sees them all at once, and where each field was
// written.
//
// Not thread-safe.
#ifndef TPO_SERVICES_CONFIG_CONFIG_ERRORS_H_
#define TPO_SERVICES_CONFIG_CONFIG_ERRORS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace tpo {

// Where each field that was given stands, by its path ("learner.epochs", "verifiers[0].address");
// "" is the file.
class ConfigPlaces {
 public:
  void Add(const std::string& path, const std::string& where) { places_[path] = where; }
  // The field's place, or that of the nearest section around it which was given.
  std::string Find(std::string path) const;

 private:
  std::map<std::string, std::string> places_;
};

class ConfigErrors {
 public:
  // An error at a place and a path; either may be empty.
  void Add(const std::string& where, const std::string& path, const std::string& what);
  bool empty() const { return messages_.empty(); }
  // INVALID_ARGUMENT with one error a line, "WHERE: PATH: what is wrong", or OK.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> messages_;
};

// `name` below `path`.
std::string FieldPath(const std::string& path, const std::string& name);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_CONFIG_ERRORS_H_

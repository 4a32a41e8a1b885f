// How the parts of this folder give up; never leaves it (chat_template.cc turns it into a status).
#ifndef TPO_POLICY_CHAT_TEMPLATE_TEMPLATE_ERROR_H_
#define TPO_POLICY_CHAT_TEMPLATE_TEMPLATE_ERROR_H_

#include <stdexcept>
#include <string>

namespace tpo::jinja {

enum class ErrorKind {
  kBroken,       // Jinja would refuse it too
  kUnsupported,  // Jinja may know it
  kRaised,       // by the template's own raise_exception
  kTooMuch       // a limit was reached
};

// `line` is the template's, 0 where it isn't known yet.
class TemplateError : public std::runtime_error {
 public:
  TemplateError(ErrorKind kind, const std::string& message, int line = 0)
      : std::runtime_error(message), kind_(kind), line_(line) {}

  ErrorKind kind() const { return kind_; }
  int line() const { return line_; }

 private:
  ErrorKind kind_;
  int line_;
};

[[noreturn]] inline void Broken(const std::string& message, int line = 0) {
  throw TemplateError(ErrorKind::kBroken, message, line);
}
[[noreturn]] inline void Unsupported(const std::string& message, int line = 0) {
  throw TemplateError(ErrorKind::kUnsupported, message, line);
}

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_TEMPLATE_ERROR_H_

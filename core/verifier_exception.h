// Exceptions end where a verifier's own code does: it may be anybody's, and what it threw becomes a
// status or a verdict. Thread-safe.
#ifndef TPO_CORE_VERIFIER_EXCEPTION_H_
#define TPO_CORE_VERIFIER_EXCEPTION_H_

#include <exception>
#include <string>

namespace tpo {

// What was thrown, for people. REQUIRES: called within a catch block.
inline std::string DescribeVerifierException() {
  try {
    throw;
  } catch (const std::exception& error) {
    return std::string("the verifier threw: ") + error.what();
  } catch (...) {
    return "the verifier threw something that is no std::exception";
  }
}

}  // namespace tpo

#endif  // TPO_CORE_VERIFIER_EXCEPTION_H_

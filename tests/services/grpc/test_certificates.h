// Certificates for tests of TLS, made anew each time.
#ifndef TPO_TESTS_SERVICES_GRPC_TEST_CERTIFICATES_H_
#define TPO_TESTS_SERVICES_GRPC_TEST_CERTIFICATES_H_

#include <memory>
#include <string>

namespace tpo {

// Not thread-safe.
class TestAuthority {
 public:
  // Writes its own certificate as `directory`/`name`.pem.
  TestAuthority(std::string directory, const std::string& name);
  ~TestAuthority();

  struct Holder {
    std::string host;  // e.g. "localhost", or an IP address
    // "worker", …: a URI that gives the role. Empty: none.
    std::string role = "";
    // Seconds from now.
    long valid_from = -3600;
    long valid_until = 86400;
  };

  // Writes NAME.pem and NAME.key, or replaces both at once.
  void Issue(const std::string& name, const Holder& holder);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_GRPC_TEST_CERTIFICATES_H_

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

  // Writes NAME.pem and NAME.key for a host, e.g. "localhost" or an IP address.
  void Issue(const std::string& name, const std::string& host);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_GRPC_TEST_CERTIFICATES_H_

// Certificate files and the roles in their names.
#include <string>

#include "services/grpc/access.h"
#include "services/grpc/certificates.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)tpo::CheckKeyBelongs(text, "certificate", text, "key");
  const auto role = tpo::RoleOfUri(text);
  if (role) tpo::Require(tpo::RolesOfUris({text}).size() == 1, "a role is one of the roles");
  (void)tpo::CheckMayCall({}, text);
  (void)tpo::MethodForMetrics(text);
  const auto facts = tpo::ParseCertificates(text, "fuzz.pem");
  if (!facts.ok()) return 0;
  tpo::Require(!facts->empty(), "a file without certificates is refused");
  for (const tpo::CertificateFacts& each : *facts) (void)tpo::RolesOfUris(each.uris);
  return 0;
}

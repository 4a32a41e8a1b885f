#include "tests/services/grpc/test_certificates.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tpo {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void Require(bool ok) {
  if (!ok) std::abort();
}

Key NewKey() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void AddExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Not signed. `from` and `until` in seconds from now.
Certificate NewCertificate(const std::string& name, EVP_PKEY* key, int serial, long from,
                           long until) {
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

void Sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  Require(X509_sign(certificate, key, EVP_sha256()) > 0);
}

// Calls `write` with a file that then becomes `path`.
template <typename Writer>
void Replace(const std::string& path, const Writer& write) {
  const std::string staging = path + ".new";
  FILE* file = std::fopen(staging.c_str(), "w");
  Require(file != nullptr && write(file) == 1 && std::fclose(file) == 0);
  Require(std::rename(staging.c_str(), path.c_str()) == 0);
}

void Write(const std::string& path, X509* certificate) {
  Replace(path, [&](FILE* file) { return PEM_write_X509(file, certificate); });
}

void Write(const std::string& path, EVP_PKEY* key) {
  Replace(path, [&](FILE* file) {
    return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

// Makes `path` a link to `target` in one step.
void Link(const std::string& target, const std::string& path) {
  const std::string staging = path + ".new";
  Require(symlink(target.c_str(), staging.c_str()) == 0 &&
          std::rename(staging.c_str(), path.c_str()) == 0);
}

// NAME.pem and NAME.key in `directory`, as Kubernetes replaces a mounted secret: both are links
// into a directory that is swapped. gRPC reads the key, then the certificate, and notices a swap in
// between by the files' times, in whole seconds, so no two pairs have the same.
void WritePair(const std::string& directory, const std::string& name, X509* certificate,
               EVP_PKEY* key) {
  static std::atomic<int> pairs = 0;
  const int pair = ++pairs;
  const std::string target = name + "." + std::to_string(pair);
  const std::string fresh = directory + "/" + target;
  Require(mkdir(fresh.c_str(), 0700) == 0);
  Write(fresh + "/pem", certificate);
  Write(fresh + "/key", key);
  const timespec times[2] = {{pair, 0}, {pair, 0}};
  for (const char* file : {"/pem", "/key"})
    Require(utimensat(AT_FDCWD, (fresh + file).c_str(), times, 0) == 0);
  Link(target, directory + "/" + name + ".current");
  Link(name + ".current/pem", directory + "/" + name + ".pem");
  Link(name + ".current/key", directory + "/" + name + ".key");
}

}  // namespace

struct TestAuthority::Impl {
  const std::string directory;
  const Key key;
  const Certificate certificate;
  int issued = 1;
};

TestAuthority::TestAuthority(std::string directory, const std::string& name)
    : impl_([&] {
        Key key = NewKey();
        Certificate certificate = NewCertificate(name, key.get(), 1, -3600, 86400);
        return new Impl{std::move(directory), std::move(key), std::move(certificate)};
      }()) {
  X509* own = impl_->certificate.get();
  AddExtension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  Sign(own, own, impl_->key.get());
  Write(impl_->directory + "/" + name + ".pem", own);
}

TestAuthority::~TestAuthority() = default;

void TestAuthority::Issue(const std::string& name, const Holder& holder) {
  const Key key = NewKey();
  const Certificate certificate =
      NewCertificate(name, key.get(), ++impl_->issued, holder.valid_from, holder.valid_until);
  const bool is_name = holder.host.find_first_not_of("0123456789.") != std::string::npos;
  std::string names = (is_name ? "DNS:" : "IP:") + holder.host;
  if (!holder.role.empty()) names += ",URI:spiffe://example.org/tpo/" + holder.role;
  AddExtension(certificate.get(), impl_->certificate.get(), NID_subject_alt_name, names);
  Sign(certificate.get(), impl_->certificate.get(), impl_->key.get());
  WritePair(impl_->directory, name, certificate.get(), key.get());
}

}  // namespace tpo

#include "services/grpc/certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

Bio ReaderOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Never asks the terminal, and never tries an empty password either, which could take as long as a
// file says.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string SubjectOf(const X509* certificate) {
  const Bio text(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::vector<std::string> UrisOf(const X509* certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

CertificateFacts FactsOf(const X509* certificate) {
  return {.subject = SubjectOf(certificate),
          .not_before = ToTime(X509_get0_notBefore(certificate)),
          .not_after = ToTime(X509_get0_notAfter(certificate)),
          .uris = UrisOf(certificate)};
}

// Whether reading stopped because there is no further block, which OpenSSL calls an error, too.
bool StoppedAtTheEnd() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

}  // namespace

absl::StatusOr<std::string> ReadPem(const std::string& path, const std::string& label) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxPemFileBytes + 1, '\0');
  if (!file || !(file.read(text.data(), static_cast<std::streamsize>(text.size())) || file.eof())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read: ", std::generic_category().message(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxPemFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": larger than the ", kMaxPemFileBytes, " bytes that are read"));
  }
  if (!absl::StrContains(text, "-----BEGIN ") || !absl::StrContains(text, label + "-----")) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": holds no ", label, " in PEM (\"-----BEGIN … ", label, "-----\")"));
  }
  return text;
}

absl::StatusOr<std::vector<CertificateFacts>> ParseCertificates(const std::string& pem,
                                                                const std::string& name) {
  ERR_clear_error();
  const Bio reader = ReaderOf(pem);
  std::vector<CertificateFacts> facts;
  while (true) {
    const Certificate certificate(PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr));
    if (certificate == nullptr) break;
    facts.push_back(FactsOf(certificate.get()));
  }
  if (!StoppedAtTheEnd()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": certificate ", facts.size() + 1, " in the file is damaged"));
  }
  if (facts.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": no certificate"));
  return facts;
}

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path) {
  TPO_ASSIGN_OR_RETURN(const std::string pem, ReadPem(path, "CERTIFICATE"));
  TPO_ASSIGN_OR_RETURN(const std::vector<CertificateFacts> facts, ParseCertificates(pem, path));
  return std::min_element(facts.begin(), facts.end(),
                          [](const CertificateFacts& a, const CertificateFacts& b) {
                            return a.not_after < b.not_after;
                          })
      ->not_after;
}

absl::Status CheckKeyBelongs(const std::string& certificate, const std::string& certificate_name,
                             const std::string& key, const std::string& key_name) {
  const Bio certificate_reader = ReaderOf(certificate);
  const Bio key_reader = ReaderOf(key);
  const Certificate first(
      PEM_read_bio_X509(certificate_reader.get(), nullptr, NoPassword, nullptr));
  const Key own(PEM_read_bio_PrivateKey(key_reader.get(), nullptr, NoPassword, nullptr));
  const bool belongs =
      first != nullptr && own != nullptr && X509_check_private_key(first.get(), own.get()) == 1;
  ERR_clear_error();
  if (first == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(certificate_name, ": damaged"));
  if (own == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_name, ": damaged, or encrypted with a password"));
  }
  if (belongs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the key ", key_name, " and the certificate ",
                                                 certificate_name, " don't belong together"));
}

}  // namespace tpo

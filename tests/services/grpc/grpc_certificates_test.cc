#include "services/grpc/certificates.h"

#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/grpc/test_certificates.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CertificatesTest : public testing::Test {
 protected:
  CertificatesTest() : authority_(scratch_.path(), "ours") {
    authority_.Issue("worker", {.host = "a.example.org", .role = "worker"});
    authority_.Issue("old", {.host = "b.example.org", .valid_from = -7200, .valid_until = -3600});
  }
  std::string Pem(const std::string& name, const std::string& label = "CERTIFICATE") {
    return ReadPem(scratch_ / name, label).value();
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(scratch_ / name, std::ios::binary) << text;
  }

  ScratchDirectory scratch_;
  TestAuthority authority_;
};

TEST_F(CertificatesTest, SaysWhatIsInAFile) {
  const auto facts =
      ParseCertificates(Pem("worker.pem") + "text between\n" + Pem("ours.pem"), "x").value();
  ASSERT_EQ(facts.size(), 2);
  EXPECT_EQ(facts[0].subject, "CN=worker");
  EXPECT_THAT(facts[0].uris, ElementsAre("spiffe://example.org/tpo/worker"));
  EXPECT_LT(facts[0].not_before, absl::Now());
  EXPECT_GT(facts[0].not_after, absl::Now() + absl::Hours(23));
  EXPECT_EQ(facts[1].subject, "CN=ours");
  EXPECT_THAT(facts[1].uris, IsEmpty());
}

TEST_F(CertificatesTest, ExpiryIsThatOfTheFirstToExpire) {
  Write("both.pem", Pem("worker.pem") + Pem("old.pem"));
  const absl::Time expiry = CertificateExpiry(scratch_ / "both.pem").value();
  EXPECT_LT(expiry, absl::Now() - absl::Minutes(59));
  EXPECT_GT(expiry, absl::Now() - absl::Minutes(61));
}

TEST_F(CertificatesTest, RefusesWhatIsDamaged) {
  std::string damaged = Pem("worker.pem");
  damaged[damaged.size() / 2] = '!';
  EXPECT_THAT(ParseCertificates(damaged, "x.pem"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "x.pem: certificate 1"));
  EXPECT_THAT(ParseCertificates(Pem("worker.pem") + damaged, "x.pem"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "x.pem: certificate 2"));
  EXPECT_THAT(ParseCertificates("", "x.pem"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "no certificate"));
}

TEST_F(CertificatesTest, ReadsNoFileWithoutSuchABlockAndNoneThatIsHuge) {
  EXPECT_THAT(ReadPem(scratch_ / "worker.key", "CERTIFICATE"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "holds no CERTIFICATE"));
  EXPECT_THAT(ReadPem(scratch_ / "none.pem", "CERTIFICATE"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "none.pem: cannot be read"));
  EXPECT_THAT(ReadPem(scratch_.path(), "CERTIFICATE"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "cannot be read"));
  Write("huge.pem", Pem("worker.pem") + std::string(kMaxPemFileBytes, '\n'));
  EXPECT_THAT(ReadPem(scratch_ / "huge.pem", "CERTIFICATE"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "larger than"));
}

TEST_F(CertificatesTest, KnowsWhichKeyBelongsToACertificate) {
  const std::string key = Pem("worker.key", "PRIVATE KEY");
  EXPECT_TRUE(CheckKeyBelongs(Pem("worker.pem"), "c", key, "k").ok());
  EXPECT_THAT(CheckKeyBelongs(Pem("old.pem"), "c", key, "k"),
              IsStatus(absl::StatusCode::kInvalidArgument,
                       "the key k and the certificate c don't belong together"));
  EXPECT_THAT(CheckKeyBelongs(Pem("worker.pem"), "c", key.substr(0, key.size() / 2), "k"),
              IsStatus(absl::StatusCode::kInvalidArgument, "k: damaged"));
}

}  // namespace
}  // namespace tpo

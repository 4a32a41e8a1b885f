#include "services/grpc/access.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"
#include "tpo/v1/learner.pb.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr PeerRole kAll[] = {PeerRole::kLearner, PeerRole::kWorker, PeerRole::kVerifier,
                             PeerRole::kRelay, PeerRole::kOperator};

TEST(RoleOfUri, IsInTheFirstPartsOfASpiffeId) {
  for (const PeerRole role : kAll) {
    EXPECT_EQ(RoleOfUri("spiffe://example.org/tpo/" + RoleName(role)), role);
    EXPECT_EQ(RoleOfUri("spiffe://example.org/tpo/" + RoleName(role) + "/pod-7/x"), role);
  }
}

TEST(RoleOfUri, IsNoneInAnythingElse) {
  for (const char* uri :
       {"", "spiffe://", "spiffe:///tpo/worker", "spiffe://example.org", "spiffe://example.org/tpo",
        "spiffe://example.org/tpo/", "spiffe://example.org/tpo/workers",
        "spiffe://example.org/tpo/Worker", "spiffe://example.org/TPO/worker",
        "spiffe://example.org/x/tpo/worker", "spiffe://example.org//tpo/worker",
        "https://example.org/tpo/worker", "Spiffe://example.org/tpo/worker",
        " spiffe://example.org/tpo/worker", "spiffe://example.org/tpo/worker?x",
        "spiffe://example.org/tpo/worker#x"}) {
    EXPECT_EQ(RoleOfUri(uri), std::nullopt) << uri;
  }
}

TEST(RolesOfUris, AreThoseOfAllUris) {
  EXPECT_THAT(RolesOfUris({"spiffe://a/tpo/worker", "https://b/", "spiffe://a/tpo/operator"}),
              ElementsAre(PeerRole::kWorker, PeerRole::kOperator));
  EXPECT_THAT(RolesOfUris({}), IsEmpty());
}

// Roles that may call a path.
std::set<std::string> Callers(const std::string& path) {
  std::set<std::string> callers;
  for (const PeerRole role : kAll) {
    if (CheckMayCall({role}, path).ok()) callers.insert(RoleName(role));
  }
  return callers;
}

using Names = std::set<std::string>;

// Written out once more, by hand: a line that is wrong in the table has to be wrong here, too. A
// call that is added to a service fails here until somebody has decided who may make it.
TEST(CheckMayCall, IsDecidedForEveryCallOfOurServices) {
  const std::map<std::string, Names> expected = {
      {"tpo.v1.LearnerService.Register", {"worker"}},
      {"tpo.v1.LearnerService.Deregister", {"worker"}},
      {"tpo.v1.LearnerService.LeasePrompts", {"worker"}},
      {"tpo.v1.LearnerService.SubmitGroups", {"worker"}},
      {"tpo.v1.LearnerService.WatchWeights", {"relay", "worker"}},
      {"tpo.v1.LearnerService.GetStatus", {"operator"}},
      {"tpo.v1.AdminService.Checkpoint", {"operator"}},
      {"tpo.v1.AdminService.Drain", {"operator"}},
      {"tpo.v1.VerifierService.Verify", {"learner", "operator", "worker"}},
      {"tpo.v1.VerifierService.Describe", {"learner", "operator", "worker"}},
  };
  std::map<std::string, Names> found;
  for (const auto* file :
       {v1::GetStatusRequest::descriptor()->file(), v1::VerifyRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        found[method->full_name()] =
            Callers("/" + file->service(s)->full_name() + "/" + method->name());
      }
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(CheckMayCall, LetsAnybodyAskForHealthAndOperatorsForReflection) {
  const Names all = {"learner", "operator", "relay", "verifier", "worker"};
  for (const char* path : {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}) {
    EXPECT_EQ(Callers(path), all);
    EXPECT_TRUE(CheckMayCall({}, path).ok()) << "without a role, too";
  }
  EXPECT_EQ(Callers("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            Names{"operator"});
}

TEST(CheckMayCall, AllowsNobodyWhatItDoesNotKnow) {
  for (const char* path : {"", "/", "/tpo.v1.LearnerService/", "/tpo.v1.LearnerService/Register/",
                           "tpo.v1.LearnerService/Register", "/tpo.v1.LearnerService/register",
                           "/tpo.v2.LearnerService/Register"}) {
    EXPECT_THAT(Callers(path), IsEmpty()) << path;
    EXPECT_STREQ(MethodForMetrics(path), "other");
  }
}

TEST(CheckMayCall, SaysWhichRoleIsNeededAndWhichThereIs) {
  EXPECT_THAT(CheckMayCall({PeerRole::kWorker}, "/tpo.v1.AdminService/Drain"),
              IsStatus(absl::StatusCode::kPermissionDenied,
                       "the role operator is needed; the caller's certificate gives it worker"));
  EXPECT_THAT(CheckMayCall({}, "/tpo.v1.VerifierService/Verify"),
              IsStatus(absl::StatusCode::kPermissionDenied, "names no role"));
}

TEST(CheckMayCall, TakesAnyOfSeveralRoles) {
  EXPECT_TRUE(
      CheckMayCall({PeerRole::kWorker, PeerRole::kOperator}, "/tpo.v1.AdminService/Drain").ok());
}

TEST(CheckMayBeRelay, TakesTheRoleOfARelayWhereRolesAreTold) {
  EXPECT_TRUE(CheckMayBeRelay({}).ok()) << "nobody has a role without mutual TLS";
  EXPECT_TRUE(CheckMayBeRelay({PeerRole::kRelay}).ok());
  EXPECT_TRUE(CheckMayBeRelay({PeerRole::kWorker, PeerRole::kRelay}).ok());
  EXPECT_THAT(CheckMayBeRelay({PeerRole::kWorker}),
              IsStatus(absl::StatusCode::kPermissionDenied,
                       "the role relay is needed; the caller's certificate gives it worker"));
}

TEST(MethodForMetrics, IsTheMethodsName) {
  EXPECT_STREQ(MethodForMetrics("/tpo.v1.AdminService/Drain"), "Drain");
}

}  // namespace
}  // namespace tpo

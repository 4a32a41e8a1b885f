#include "services/grpc/status.h"

#include <string>

#include "grpcpp/support/status.h"
#include "gtest/gtest.h"

namespace tpo {
namespace {

TEST(Status, EveryCodeSurvivesTheWire) {
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    const absl::Status received = FromGrpcStatus(ToGrpcStatus(status), "Call");
    EXPECT_EQ(received.code(), status.code());
    EXPECT_EQ(received.message(), "Call: why");
  }
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus()), "Call").ok());
}

TEST(Status, CutsLongMessagesAndReplacesBytesThatTrailersCannotHold) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(100'000, 'x')));
  EXPECT_LE(status.error_message().size(), 4000);
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("a\xFF\x01z")).error_message(), "a??z");
}

TEST(Status, MakesUnknownOfCodesThatDoNotExist) {
  EXPECT_EQ(FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(20), ""), "Call").code(),
            absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace tpo

#include <gtest/gtest.h>

#include "services/config/address.h"

namespace tpo {
namespace {

TEST(AddressTest, AcceptsNamesAndBothKindsOfIp) {
  for (const char* address :
       {"localhost:1", "judge-0.judge.svc:50051", "127.0.0.1:65535", "[::1]:50051", "my_host:1"}) {
    EXPECT_TRUE(CheckAddress(address, PortZero::kRefused).ok()) << address;
  }
}

TEST(AddressTest, RefusesTheRest) {
  for (const char* address :
       {"", ":", "localhost", "localhost:", ":50051", "localhost:65536", "localhost:-1",
        "localhost:5o", "localhost:99999999999", "::1:50051", "[::1:50051", "[nonsense]:1",
        "host name:1", "http://host:1", "host:1 "}) {
    EXPECT_EQ(CheckAddress(address, PortZero::kAllowed).code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

TEST(AddressTest, PortZeroOnlyWhereOneListens) {
  EXPECT_TRUE(CheckAddress("localhost:0", PortZero::kAllowed).ok());
  EXPECT_FALSE(CheckAddress("localhost:0", PortZero::kRefused).ok());
}

TEST(AddressTest, KnowsLoopback) {
  for (const char* address : {"localhost:1", "127.0.0.1:1", "127.8.9.10:1", "[::1]:1"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address :
       {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example.org:1", "128.0.0.1:1"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

}  // namespace
}  // namespace tpo

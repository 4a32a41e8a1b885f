#include "services/status_page/status_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/status_page/sample_status.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Sends bytes to 127.0.0.1 and returns the whole answer.
std::string Exchange(const std::string& address, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in target = {};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof(target)), 0);
  // The server may stop reading a request that is too long.
  (void)send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
    answer.append(buffer, static_cast<size_t>(n));
  close(fd);
  return answer;
}

std::string Get(const std::string& address, const std::string& path,
                const std::string& host = "localhost") {
  return Exchange(address, "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

std::unique_ptr<StatusServer> Start(std::atomic<int>* reads = nullptr) {
  return StatusServer::Start({.listen = "127.0.0.1:0", .announce = false},
                             [reads] {
                               if (reads != nullptr) ++*reads;
                               return SampleStatus();
                             })
      .value();
}

TEST(StatusServer, ServesThePageWithHeadersThatForbidAllElse) {
  const auto server = Start();
  const std::string answer = Get(server->address(), "/");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none';"));
  EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer, HasSubstr("3f1d9a7c00c0ffee"));
  EXPECT_THAT(answer, HasSubstr("</html>"));
  EXPECT_THAT(Get(server->address(), "/healthz"), HasSubstr("\r\n\r\nok\n"));
}

TEST(StatusServer, SaysWhere) {
  testing::internal::CaptureStdout();
  const auto server = StatusServer::Start({.listen = "localhost:0"}, [] { return SampleStatus(); });
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "status page on http://" + server.value()->address() + "/\n");
}

TEST(StatusServer, ServesNothingElse) {
  const auto server = Start();
  for (const char* path : {"/etc/passwd", "/../etc/passwd", "/index.html", "/status/", "/metrics"})
    EXPECT_THAT(Get(server->address(), path), StartsWith("HTTP/1.1 404")) << path;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    const std::string answer = Exchange(server->address(), std::string(method) +
                                                               " / HTTP/1.1\r\nHost: localhost\r\n"
                                                               "Content-Length: 0\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405")) << method;
  }
  const std::string head =
      Exchange(server->address(), "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << "no body";
}

TEST(StatusServer, RefusesRequestsForAnotherHostOnLoopback) {
  const auto server = Start();
  for (const char* host :
       {"evil.example", "evil.example:80", "127.evil.example:1", "localhost.evil"})
    EXPECT_THAT(Get(server->address(), "/", host), StartsWith("HTTP/1.1 403")) << host;
  for (const char* host : {"localhost:8080", "127.0.0.1", "[::1]:8080"})
    EXPECT_THAT(Get(server->address(), "/", host), StartsWith("HTTP/1.1 200")) << host;
}

TEST(StatusServer, OutlivesRequestsThatAreNone) {
  const auto server = Start();
  Exchange(server->address(), "GET / HTTP/1.1\r\nHost: " + std::string(1 << 20, 'x') + "\r\n\r\n");
  Exchange(server->address(), std::string("\0\xff\n\n GET\r\n\r\n", 12));
  EXPECT_THAT(Get(server->address(), "/"), StartsWith("HTTP/1.1 200"));
}

TEST(StatusServer, MakesAPageForManyAtMostOnceASecond) {
  std::atomic<int> reads = 0;
  const auto server = Start(&reads);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) Get(server->address(), "/");
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(absl::Now() - start, absl::Seconds(1)));
  EXPECT_LE(reads, seconds + 1);
}

TEST(StatusServer, RefusesAnAddressOffLoopbackUnlessAllowed) {
  const auto read = [] { return SampleStatus(); };
  const absl::Status refused = StatusServer::Start({.listen = "0.0.0.0:0"}, read).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_TRUE(
      StatusServer::Start({.listen = "0.0.0.0:0", .allow_remote = true, .announce = false}, read)
          .ok());
  EXPECT_TRUE(absl::IsInvalidArgument(StatusServer::Start({.listen = "80"}, read).status()));
  const auto first = Start();
  const absl::Status taken = StatusServer::Start({.listen = first->address()}, read).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(taken));
  EXPECT_THAT(std::string(taken.message()), HasSubstr(first->address()));
}

}  // namespace
}  // namespace tpo

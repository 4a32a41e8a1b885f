#include "services/http_bridge/http_client.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/http_bridge/scripted_server.h"

namespace tpo {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = HttpAnswer::Kind;

// Far more than anything takes.
constexpr absl::Duration kPatience = absl::Seconds(60);

HttpClientOptions OptionsFor(const std::string& url) {
  HttpClientOptions options;
  options.url = url;
  options.first_pause = absl::Milliseconds(1);
  options.longest_pause = absl::Milliseconds(2);
  return options;
}

std::vector<HttpPost> Posts(size_t count, absl::Duration timeout = kPatience) {
  std::vector<HttpPost> posts(count);
  for (size_t i = 0; i < count; ++i)
    posts[i] = {.body = absl::StrCat(i), .deadline = absl::Now() + timeout};
  return posts;
}

HttpAnswer PostOne(const HttpClientOptions& options, absl::Duration timeout = kPatience) {
  return HttpClient::Create(options).value()->PostAll(Posts(1, timeout)).front();
}

TEST(HttpClient, BringsEachAnswerToItsPost) {
  ScriptedServer server(
      [](const ScriptedRequest& request) { return HttpReply("answer to " + request.body); });
  HttpClientOptions options = OptionsFor(server.url("/score?key=secret"));
  options.headers = {{.name = "X-Team", .value = "red"}};
  const auto client = HttpClient::Create(options).value();
  const std::vector<HttpAnswer> answers = client->PostAll(Posts(40));
  ASSERT_EQ(answers.size(), 40);
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].kind, Kind::kAnswered) << answers[i].reason;
    EXPECT_EQ(answers[i].body, absl::StrCat("answer to ", i));
  }
  EXPECT_THAT(server.requests().front().head,
              AllOf(HasSubstr("post /score?key=secret http/1.1"), HasSubstr("x-team: red"),
                    HasSubstr("content-type: application/json"), Not(HasSubstr("expect:"))));
  EXPECT_THAT(client->PostAll({}), SizeIs(0));
}

TEST(HttpClient, UsesConnectionsAgain) {
  ScriptedServer server([](const ScriptedRequest&) { return HttpReply("1"); });
  const auto client = HttpClient::Create(OptionsFor(server.url())).value();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client->PostAll(Posts(1)).front().kind, Kind::kAnswered);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, HasNoMoreRequestsUnderWayThanConnections) {
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  absl::Notification three_at_once;
  ScriptedServer server([&](const ScriptedRequest&) {
    const int now = ++under_way;
    most = std::max(most.load(), now);
    if (now == 3 && !three_at_once.HasBeenNotified()) three_at_once.Notify();
    // Until there were three, none ends.
    three_at_once.WaitForNotificationWithTimeout(kPatience);
    --under_way;
    return HttpReply("1");
  });
  HttpClientOptions options = OptionsFor(server.url());
  options.max_connections = 3;
  for (const HttpAnswer& answer : HttpClient::Create(options).value()->PostAll(Posts(30)))
    EXPECT_EQ(answer.kind, Kind::kAnswered) << answer.reason;
  EXPECT_EQ(most, 3);
}

TEST(HttpClient, TriesAnOverloadedServerAgain) {
  for (const int status : {429, 503}) {
    std::atomic<int> calls = 0;
    ScriptedServer server([&](const ScriptedRequest&) {
      return ++calls <= 2 ? HttpReply("busy", status) : HttpReply("1");
    });
    EXPECT_EQ(PostOne(OptionsFor(server.url())).body, "1");
    EXPECT_EQ(calls, 3);
  }
}

TEST(HttpClient, GivesAnOverloadedServerUpAfterItsRetries) {
  ScriptedServer server([](const ScriptedRequest&) { return HttpReply("busy\n\xff", 503); });
  const HttpAnswer answer = PostOne(OptionsFor(server.url("/x?key=secret")));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason,
            absl::StrCat("POST ", server.url("/x"), ", attempt 3: status 503: busy ?"));
  EXPECT_THAT(server.requests(), SizeIs(3));
}

TEST(HttpClient, MakesNoAttemptThatComesTooLate) {
  ScriptedServer server(
      [](const ScriptedRequest&) { return HttpReply("", 429, "Retry-After: 3600\r\n"); });
  const HttpAnswer answer = PostOne(OptionsFor(server.url()));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_THAT(answer.reason, HasSubstr("the deadline leaves no time for another attempt"));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST(HttpClient, TriesARefusedConnectionAgain) {
  const HttpAnswer answer = PostOne(OptionsFor(absl::StrCat("http://127.0.0.1:", FreePort(), "/")));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_THAT(answer.reason, AllOf(HasSubstr("attempt 3"), HasSubstr("onnect")));
}

TEST(HttpClient, TriesNothingElseAgain) {
  const std::vector<std::pair<std::string, std::string>> answers_and_reasons = {
      {HttpReply("boom", 500), "status 500: boom"},
      {HttpReply("no such field", 422), "status 422: no such field"},
      {HttpReply("", 307, "Location: /verify/\r\n"), "a redirect to http://127.0.0.1:"},
      {HttpReply("", 304), "status 304, a redirect to nowhere"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "transfer closed"},
      {"", "mpty reply"},
      {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/0.9"},
  };
  for (const auto& [bytes, reason] : answers_and_reasons) {
    ScriptedServer server(
        [&bytes = bytes](const ScriptedRequest&) { return ScriptedAnswer(bytes, /*close=*/true); });
    const HttpAnswer answer = PostOne(OptionsFor(server.url()));
    EXPECT_EQ(answer.kind, Kind::kFailed);
    EXPECT_THAT(answer.reason, HasSubstr(reason));
    EXPECT_THAT(server.requests(), SizeIs(1)) << bytes;
  }
}

TEST(HttpClient, StopsReadingWhatIsTooLong) {
  // The first never sends what it announces; the second announces nothing and sends without end.
  const std::string endless(size_t{4} << 20, 'x');
  for (const std::string& bytes :
       {std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"),
        absl::StrCat("HTTP/1.1 200 OK\r\n\r\n", endless), HttpReply(std::string(1025, 'x')),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" + endless}) {
    ScriptedServer server([&](const ScriptedRequest&) { return bytes; });
    HttpClientOptions options = OptionsFor(server.url());
    options.max_response_bytes = 1024;
    const HttpAnswer answer = PostOne(options);
    EXPECT_EQ(answer.kind, Kind::kFailed);
    EXPECT_THAT(answer.reason, HasSubstr("longer than 1024 bytes"));
    EXPECT_THAT(answer.body, SizeIs(0));
  }
  ScriptedServer server([&](const ScriptedRequest&) { return HttpReply(std::string(1024, 'x')); });
  HttpClientOptions options = OptionsFor(server.url());
  options.max_response_bytes = 1024;
  EXPECT_EQ(PostOne(options).kind, Kind::kAnswered);
}

// A server that answers nothing until it is let go.
class SilentServer {
 public:
  ~SilentServer() { let_go_.Notify(); }
  std::string url() const { return server_.url(); }
  void WaitForRequest() { asked_.WaitForNotification(); }

 private:
  std::atomic<bool> is_first_ = true;
  absl::Notification asked_;
  absl::Notification let_go_;
  ScriptedServer server_{[this](const ScriptedRequest&) {
    if (is_first_.exchange(false)) asked_.Notify();
    let_go_.WaitForNotification();
    return std::string();
  }};
};

TEST(HttpClient, StopsWaitingAtTheDeadline) {
  SilentServer server;
  HttpClientOptions options = OptionsFor(server.url());
  options.max_connections = 1;
  const auto client = HttpClient::Create(options).value();
  const std::vector<HttpAnswer> answers = client->PostAll(Posts(2, absl::Milliseconds(50)));
  EXPECT_EQ(answers[0].kind, Kind::kTimedOut);
  EXPECT_THAT(answers[0].reason, HasSubstr("no answer before the deadline"));
  EXPECT_EQ(answers[1].kind, Kind::kTimedOut);
  EXPECT_THAT(answers[1].reason, HasSubstr("before one of 1 connections was free"));
}

TEST(HttpClient, StopsWhenItsCallerLeaves) {
  SilentServer server;
  HttpClientOptions options = OptionsFor(server.url());
  options.max_connections = 1;
  std::atomic<bool> has_left = false;
  const std::function<bool()> cancelled = [&] { return has_left.load(); };
  std::vector<HttpPost> posts = Posts(3);
  for (HttpPost& post : posts) post.cancelled = &cancelled;
  std::thread caller([&] {
    server.WaitForRequest();
    has_left = true;
  });
  const auto client = HttpClient::Create(options).value();
  for (const HttpAnswer& answer : client->PostAll(posts)) EXPECT_EQ(answer.kind, Kind::kCancelled);
  caller.join();
}

TEST(HttpClient, CloseEndsWhatIsUnderWayAndWhatComes) {
  SilentServer server;
  HttpClientOptions options = OptionsFor(server.url());
  options.max_connections = 1;
  const auto client = HttpClient::Create(options).value();
  std::thread closer([&] {
    server.WaitForRequest();
    client->Close();
  });
  for (const HttpAnswer& answer : client->PostAll(Posts(3)))
    EXPECT_EQ(answer.kind, Kind::kCancelled);
  closer.join();
  EXPECT_EQ(client->PostAll(Posts(1)).front().kind, Kind::kCancelled);
  client->Close();
}

TEST(HttpClient, ServesManyCallersAtOnce) {
  ScriptedServer server([](const ScriptedRequest& request) { return HttpReply(request.body); });
  HttpClientOptions options = OptionsFor(server.url());
  options.max_connections = 4;
  const auto client = HttpClient::Create(options).value();
  std::vector<std::thread> callers;
  std::atomic<int> right = 0;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const std::vector<HttpAnswer> answers = client->PostAll(Posts(4));
        for (size_t k = 0; k < answers.size(); ++k)
          right += answers[k].kind == Kind::kAnswered && answers[k].body == absl::StrCat(k) ? 1 : 0;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 8 * 10 * 4);
  EXPECT_LE(server.connections(), 4);
}

TEST(HttpClient, RefusesWhatItCannotUse) {
  const auto refusal = [](const std::string& url) {
    return std::string(HttpClient::Create(OptionsFor(url)).status().message());
  };
  EXPECT_THAT(refusal(""), HasSubstr("url:"));
  EXPECT_THAT(refusal("reward-server:5000/score"), HasSubstr("url:"));
  EXPECT_THAT(refusal("ftp://127.0.0.1/"), HasSubstr("http or https, not ftp"));
  EXPECT_THAT(refusal("file:///etc/passwd"), HasSubstr("http or https, not file"));
  EXPECT_THAT(refusal("http://127.0.0.1:99999/"), HasSubstr("url:"));
  EXPECT_THAT(refusal("https://me:secret@graders.example/"),
              AllOf(HasSubstr("a user or a password"), Not(HasSubstr("secret"))));
  EXPECT_THAT(refusal("http://graders.example/"), HasSubstr("plaintext to another machine"));
  for (const char* url : {"http://localhost:1/", "http://[::1]:1/", "https://graders.example/"})
    EXPECT_EQ(refusal(url), "") << url;

  HttpClientOptions options = OptionsFor("http://graders.example/");
  options.allow_remote_plaintext = true;
  EXPECT_TRUE(HttpClient::Create(options).ok());
  options.ca_file = "/nowhere.pem";
  EXPECT_THAT(HttpClient::Create(options).status().message(), HasSubstr("/nowhere.pem"));
  options = OptionsFor("http://localhost/");
  options.max_connections = 0;
  EXPECT_THAT(HttpClient::Create(options).status().message(), HasSubstr("max_connections"));
}

TEST(HttpHeader, ReadsSecretsFromOutside) {
  setenv("TPO_TEST_TOKEN", "from environment", 1);
  const HttpHeader header = ReadHeader({.name = "Authorization",
                                        .value = "",
                                        .environment = "TPO_TEST_TOKEN",
                                        .file = "",
                                        .prefix = "Bearer "})
                                .value();
  EXPECT_EQ(header.name, "Authorization");
  EXPECT_EQ(header.value, "Bearer from environment");

  const std::string path = testing::TempDir() + "/token";
  std::ofstream(path) << "from file\n";
  const HttpHeaderSource file{
      .name = "X-Api-Key", .value = "", .environment = "", .file = path, .prefix = ""};
  EXPECT_EQ(ReadHeader(file)->value, "from file");
}

TEST(HttpHeader, RefusesWhatItCannotUse) {
  const auto refusal = [](const HttpHeaderSource& source) {
    return std::string(ReadHeader(source).status().message());
  };
  const auto clear = [](const std::string& name, const std::string& value) {
    return HttpHeaderSource{
        .name = name, .value = value, .environment = "", .file = "", .prefix = ""};
  };
  EXPECT_EQ(refusal(clear("X-Team", "red")), "");
  EXPECT_THAT(refusal(clear("authorization", "Bearer 123456")),
              AllOf(HasSubstr("a credential has no place in a config"), Not(HasSubstr("123456"))));
  EXPECT_THAT(refusal(clear("Content-Type", "text/plain")), HasSubstr("set by the bridge itself"));
  EXPECT_THAT(refusal(clear("X-Team", "red\r\nHost: evil")), HasSubstr("control character"));
  EXPECT_THAT(refusal(clear("X Team:", "red")), HasSubstr("a name has"));
  EXPECT_THAT(refusal(clear("X-Team", "")), HasSubstr("give one of"));
  HttpHeaderSource both = clear("X-Team", "red");
  both.environment = "HOME";
  EXPECT_THAT(refusal(both), HasSubstr("give one of"));
  unsetenv("TPO_TEST_UNSET");
  HttpHeaderSource unset = clear("X-Team", "");
  unset.environment = "TPO_TEST_UNSET";
  EXPECT_THAT(refusal(unset), HasSubstr("the environment has no TPO_TEST_UNSET"));
  HttpHeaderSource missing = clear("X-Team", "");
  missing.file = "/nowhere";
  EXPECT_THAT(refusal(missing), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace tpo

// Posts JSON bodies to one URL and brings back what a server answered, or why there is nothing:
// deadlines, cancelling, a bound on connections and on the size of answers, and further attempts
// where one more can do no harm. Knows nothing of rewards.
//
// What is tried again, after a pause that grows: a connection that could not be made, and the
// statuses 429 and 503 (not before their Retry-After). Nothing of such a request was worked on. All
// else is final: a request whose connection broke may have been carried out. (One exception, of
// libcurl: a kept connection that ends without a byte of an answer counts as one that the server
// had given up while it was idle; the request goes over a new one.) No attempt is made whose pause
// would pass the deadline.
//
// Not followed: redirects, and proxies named by environment variables. TLS 1.2 or newer; a server's
// certificate is always checked. HTTP/1.1; connections are kept and used again.
//
// Thread-safe. One thread of its own does all input and output (libcurl's multi interface); callers
// wait for it.
#ifndef TPO_SERVICES_HTTP_BRIDGE_HTTP_CLIENT_H_
#define TPO_SERVICES_HTTP_BRIDGE_HTTP_CLIENT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/http_bridge/http_header.h"

namespace tpo {

struct HttpClientOptions {
  // http:// or https://, without a user or password; all bodies go here.
  std::string url;
  // Whether to send plaintext to a host that isn't loopback.
  bool allow_remote_plaintext = false;
  // PEM file of the authorities that an https server is checked against; empty: the system's.
  std::string ca_file;
  std::vector<HttpHeader> headers;
  int max_connections = 16;  // requests under way at a time; further ones wait for their turn
  int retries = 2;           // further attempts at one request
  absl::Duration first_pause = absl::Milliseconds(100);  // doubles with each attempt
  absl::Duration longest_pause = absl::Seconds(5);
  size_t max_response_bytes = size_t{4} << 20;
};

// One request.
struct HttpPost {
  std::string body;
  absl::Time deadline = absl::InfiniteFuture();
  // Polled every 10 ms or so. May be null, or empty.
  const std::function<bool()>* cancelled = nullptr;
  // Besides those of the options. Without control characters in them.
  std::vector<HttpHeader> headers = {};
};

struct HttpAnswer {
  enum class Kind {
    kAnswered,   // status 200 to 299; `body` is whole
    kFailed,     // any other status, no connection, a broken one, an answer that is too long
    kTimedOut,   // the deadline passed
    kCancelled,  // by the caller, or by Close
  };
  Kind kind = Kind::kFailed;
  std::string body;
  // Why there is no body, with the URL (less its query) and the number of attempts. Plain ASCII.
  std::string reason;
};

class HttpClient {
 public:
  // INVALID_ARGUMENT names the option that can't be used. Connects when it is first used.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(const HttpClientOptions& options);
  ~HttpClient();

  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One answer per post, in order. Returns when all have one: at the last deadline plus some
  // milliseconds at the latest.
  std::vector<HttpAnswer> PostAll(const std::vector<HttpPost>& posts);

  // Cancels what is under way and all that comes. Idempotent.
  void Close();

 private:
  class Worker;
  explicit HttpClient(std::unique_ptr<Worker> worker);

  const std::unique_ptr<Worker> worker_;
};

// At most 200 bytes of `text` for a message: plain ASCII on one line.
std::string Excerpt(const std::string& text);

}  // namespace tpo

#endif  // TPO_SERVICES_HTTP_BRIDGE_HTTP_CLIENT_H_

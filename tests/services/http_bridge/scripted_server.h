// An HTTP server on loopback that answers with whatever bytes a test wants, right or wrong.
#ifndef TPO_TESTS_SERVICES_HTTP_BRIDGE_SCRIPTED_SERVER_H_
#define TPO_TESTS_SERVICES_HTTP_BRIDGE_SCRIPTED_SERVER_H_

#include <atomic>
#include <functional>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tpo {

struct ScriptedRequest {
  std::string head;  // request line and headers, in lower case
  std::string body;
};

// Bytes to send, whole or not; without any, the connection ends.
struct ScriptedAnswer {
  ScriptedAnswer(std::string text, bool close = false)  // NOLINT: so that a script returns text
      : bytes(std::move(text)), then_close(close) {}

  std::string bytes;
  bool then_close = false;
};

// One thread per connection, all joined at the end. Thread-safe.
class ScriptedServer {
 public:
  // Called by several threads.
  using Script = std::function<ScriptedAnswer(const ScriptedRequest& request)>;

  explicit ScriptedServer(Script script);
  // Ends all connections and waits for the scripts under way.
  ~ScriptedServer();

  std::string url(const std::string& path = "/") const;
  int connections() const { return connections_; }
  std::vector<ScriptedRequest> requests() const;

 private:
  void Accept();
  void Serve(int connection);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  mutable absl::Mutex mutex_;
  std::vector<ScriptedRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> open_ ABSL_GUARDED_BY(mutex_);
  std::list<std::thread> serving_;  // only the accepting thread's, until it is joined
  std::thread accepting_;
};

// A whole answer; `headers` are lines with their line ends.
std::string HttpReply(const std::string& body, int status = 200, const std::string& headers = "");

// A loopback port that nothing listens on.
int FreePort();

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_HTTP_BRIDGE_SCRIPTED_SERVER_H_

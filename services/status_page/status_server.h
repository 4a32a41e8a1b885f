// Serves the learner's status page over HTTP: read-only, in plaintext, without anything that a page
// would load or run. Who can reach the address sees prompts and completions of the run.
//
//   /         the page        /healthz  "ok"
//
// Limits: two requests at a time, 16 connections that wait, 8 KiB of request, 5 s for each. A page
// is made at most once a second, however many ask. GET and HEAD only. On loopback, requests for
// another host's name are refused: a page of somebody else's in the browser can't read this one.
#ifndef TPO_SERVICES_STATUS_PAGE_STATUS_SERVER_H_
#define TPO_SERVICES_STATUS_PAGE_STATUS_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/status_page/status_view.h"

namespace tpo {

// Owns its threads; the destructor joins them.
class StatusServer {
 public:
  struct Options {
    std::string listen;  // HOST:PORT; port 0 picks a free one
    // Whether an address that isn't loopback may be listened on.
    bool allow_remote = false;
    // Whether to print the line "status page on http://HOST:PORT/" to stdout.
    bool announce = true;
  };

  // What Start would say of the options, as far as that can be known before; for a program that
  // does much before it starts the server.
  static absl::Status Check(const Options& options);

  // `read` is called from the server's threads, one at a time, until the destructor returns.
  // INVALID_ARGUMENT: the address is malformed, or remote without being allowed.
  // FAILED_PRECONDITION: it can't be listened on; the message names it and says why.
  static absl::StatusOr<std::unique_ptr<StatusServer>> Start(const Options& options,
                                                             std::function<StatusView()> read);
  ~StatusServer();

  // HOST:PORT with the real port.
  const std::string& address() const;

 private:
  class Impl;
  explicit StatusServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_STATUS_PAGE_STATUS_SERVER_H_

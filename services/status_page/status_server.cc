#include "services/status_page/status_server.h"

#include <arpa/inet.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include <civetweb.h>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "services/config/address.h"
#include "services/grpc/listen_check.h"
#include "services/metrics/http_stop.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

constexpr absl::Duration kPageLife = absl::Seconds(1);

struct Answer {
  int code = 200;
  const char* reason = "OK";
  const char* type = "text/plain; charset=utf-8";
  std::string body;
};

void Send(mg_connection* connection, const Answer& answer, bool with_body) {
  // Nothing is loaded and nothing runs; styles are the page's own.
  const std::string head = absl::StrFormat(
      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n"
      "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
      "Referrer-Policy: no-referrer\r\n"
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
      "frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n\r\n",
      answer.code, answer.reason, answer.type, answer.body.size());
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, answer.body.data(), answer.body.size());
}

// The host of a Host header, without the port.
std::string_view HostOf(std::string_view header) {
  const size_t bracket = header.rfind(']');
  const size_t colon = header.rfind(':');
  const bool port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return port ? header.substr(0, colon) : header;
}

bool NamesLoopback(const char* host_header) {
  if (host_header == nullptr) return true;  // HTTP/1.0: no browser
  const std::string_view host = HostOf(host_header);
  // Not a name that only begins like an address.
  in_addr address = {};
  const bool numerical = inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
  return host == "localhost" || host == "[::1]" || (numerical && host.starts_with("127."));
}

}  // namespace

class StatusServer::Impl {
 public:
  Impl(bool loopback_only, std::function<StatusView()> read)
      : loopback_only_(loopback_only), read_(std::move(read)) {}

  ~Impl() {
    if (context_ == nullptr) return;
    StopHttpServer(address_, [this] { mg_stop(context_); });
  }

  absl::Status Listen(const std::string& listen) {
    const std::string ports = WithIpAddress(listen);
    const char* const options[] = {"listening_ports",
                                   ports.c_str(),
                                   "num_threads",
                                   "2",
                                   "connection_queue",
                                   "16",
                                   "listen_backlog",
                                   "16",
                                   "max_request_size",
                                   "8192",
                                   "request_timeout_ms",
                                   "5000",
                                   "enable_keep_alive",
                                   "no",
                                   "enable_directory_listing",
                                   "no",
                                   nullptr};
    mg_callbacks callbacks = {};
    callbacks.begin_request = &Impl::Handle;
    callbacks.log_message = &Impl::Log;
    context_ = mg_start(&callbacks, this, const_cast<const char**>(options));
    if (context_ == nullptr) return ListenError(listen, "the server didn't start");
    mg_server_port port = {};
    if (mg_get_server_ports(context_, 1, &port) != 1)
      return ListenError(listen, "the server has no port");
    address_ = absl::StrCat(listen.substr(0, listen.rfind(':') + 1), port.port);
    return absl::OkStatus();
  }

  const std::string& address() const { return address_; }

 private:
  // Every request comes here; a result above 0 says that it was answered.
  static int Handle(mg_connection* connection) {
    const mg_request_info* const request = mg_get_request_info(connection);
    auto* const self = static_cast<Impl*>(request->user_data);
    const std::string_view method = request->request_method;
    const Answer answer =
        self->Answered(method, request->local_uri, mg_get_header(connection, "Host"));
    Send(connection, answer, method != "HEAD");
    return answer.code;
  }

  static int Log(const mg_connection*, const char* message) {
    spdlog::debug("status page: {}", message);
    return 1;
  }

  Answer Answered(std::string_view method, const char* uri, const char* host) {
    if (loopback_only_ && !NamesLoopback(host))
      return {403, "Forbidden", "text/plain; charset=utf-8", "ask for localhost\n"};
    if (method != "GET" && method != "HEAD")
      return {405, "Method Not Allowed", "text/plain; charset=utf-8", "read-only\n"};
    const std::string_view path = uri == nullptr ? "" : uri;
    if (path == "/healthz") return {200, "OK", "text/plain; charset=utf-8", "ok\n"};
    if (path == "/") return {200, "OK", "text/html; charset=utf-8", Page()};
    return {404, "Not Found", "text/plain; charset=utf-8", "there is only /\n"};
  }

  std::string Page() {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (page_.empty() || now - page_time_ >= kPageLife || now < page_time_) {
      page_ = StatusPage(read_());
      page_time_ = now;
    }
    return page_;
  }

  const bool loopback_only_;
  const std::function<StatusView()> read_;
  mg_context* context_ = nullptr;
  std::string address_;
  absl::Mutex mutex_;
  std::string page_ ABSL_GUARDED_BY(mutex_);
  absl::Time page_time_ ABSL_GUARDED_BY(mutex_);
};

absl::Status StatusServer::Check(const Options& options) {
  TPO_RETURN_IF_ERROR(CheckAddress(options.listen, PortZero::kAllowed));
  if (!IsLoopback(options.listen) && !options.allow_remote) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", options.listen,
        "\" isn't a loopback address, and the status page shows prompts and completions "
        "to whoever reaches it; pass --insecure where the network is trusted"));
  }
  return CheckCanListen(options.listen);
}

absl::StatusOr<std::unique_ptr<StatusServer>> StatusServer::Start(
    const Options& options, std::function<StatusView()> read) {
  TPO_RETURN_IF_ERROR(Check(options));
  auto impl = std::make_unique<Impl>(IsLoopback(options.listen), std::move(read));
  TPO_RETURN_IF_ERROR(impl->Listen(options.listen));
  if (options.announce) {
    std::printf("status page on http://%s/\n", impl->address().c_str());
    std::fflush(stdout);
  }
  return std::unique_ptr<StatusServer>(new StatusServer(std::move(impl)));
}

StatusServer::StatusServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StatusServer::~StatusServer() = default;

const std::string& StatusServer::address() const { return impl_->address(); }

}  // namespace tpo

#include "tests/services/http_bridge/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tpo {
namespace {

// A socket bound to a free port of loopback, and the port.
std::pair<int, int> Bind() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  return {listener, ntohs(address.sin_port)};
}

size_t ContentLength(const std::string& head) {
  const size_t at = head.find("content-length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

// Whether a whole request came before the connection ended. `buffer` keeps what came beyond it.
bool ReadRequest(int connection, std::string* buffer, ScriptedRequest* request) {
  size_t end = std::string::npos;
  while (true) {
    end = buffer->find("\r\n\r\n");
    if (end != std::string::npos) {
      request->head = absl::AsciiStrToLower(buffer->substr(0, end));
      const size_t length = ContentLength(request->head);
      if (buffer->size() >= end + 4 + length) {
        request->body = buffer->substr(end + 4, length);
        buffer->erase(0, end + 4 + length);
        return true;
      }
    }
    char bytes[4096];
    const ssize_t count = recv(connection, bytes, sizeof(bytes), 0);
    if (count <= 0) return false;
    buffer->append(bytes, static_cast<size_t>(count));
  }
}

bool SendAll(int connection, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  std::tie(listener_, port_) = Bind();
  if (listen(listener_, 128) != 0) std::abort();
  accepting_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  close(listener_);
  {
    absl::MutexLock lock(&mutex_);
    for (const int connection : open_) shutdown(connection, SHUT_RDWR);
  }
  for (std::thread& thread : serving_) thread.join();
  absl::MutexLock lock(&mutex_);
  for (const int connection : open_) close(connection);
}

std::string ScriptedServer::url(const std::string& path) const {
  return absl::StrCat("http://127.0.0.1:", port_, path);
}

std::vector<ScriptedRequest> ScriptedServer::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

void ScriptedServer::Accept() {
  while (true) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    ++connections_;
    absl::MutexLock lock(&mutex_);
    open_.push_back(connection);
    serving_.emplace_back([this, connection] { Serve(connection); });
  }
}

void ScriptedServer::Serve(int connection) {
  std::string buffer;
  ScriptedRequest request;
  while (ReadRequest(connection, &buffer, &request)) {
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(request);
    }
    const ScriptedAnswer answer = script_(request);
    if (answer.bytes.empty() || !SendAll(connection, answer.bytes) || answer.then_close) break;
  }
  shutdown(connection, SHUT_RDWR);
}

std::string HttpReply(const std::string& body, int status, const std::string& headers) {
  return absl::StrCat("HTTP/1.1 ", status, " Reply\r\nContent-Length: ", body.size(), "\r\n",
                      headers, "\r\n", body);
}

int FreePort() {
  const auto [listener, port] = Bind();
  close(listener);
  return port;
}

}  // namespace tpo

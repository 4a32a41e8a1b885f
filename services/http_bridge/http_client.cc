#include "services/http_bridge/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <fstream>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/backoff.h"
#include "core/status_macros.h"
#include "services/config/address.h"

namespace tpo {
namespace {

// How late a deadline, a cancellation or the end of a pause may be noticed.
constexpr absl::Duration kTick = absl::Milliseconds(10);
constexpr int kIdleMilliseconds = 60'000;
constexpr size_t kExcerptBytes = 200;

struct UrlParts {
  std::string shown;  // without the query, which may hold a secret
  std::string host_and_port;
  bool is_tls = false;
};

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

absl::StatusOr<UrlParts> ParseUrl(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  if (code != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("url: not an http:// or https:// URL: ", curl_url_strerror(code)));
  }
  const std::string scheme = Part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return absl::InvalidArgumentError(absl::StrCat("url: http or https, not ", scheme));
  if (!Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError(
        "url: holds a user or a password; send a header from the environment or a file instead");
  }
  const std::string port = Part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const std::string host_and_port = absl::StrCat(Part(url.get(), CURLUPART_HOST), ":", port);
  return UrlParts{
      .shown = absl::StrCat(scheme, "://", host_and_port, Part(url.get(), CURLUPART_PATH)),
      .host_and_port = host_and_port,
      .is_tls = scheme == "https"};
}

absl::StatusOr<UrlParts> CheckOptions(const HttpClientOptions& options) {
  TPO_ASSIGN_OR_RETURN(UrlParts url, ParseUrl(options.url));
  if (!url.is_tls && !options.allow_remote_plaintext && !IsLoopback(url.host_and_port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("url: ", url.shown,
                     " would send plaintext to another machine; use https, or say that the "
                     "network is trusted (insecure)"));
  }
  if (!options.ca_file.empty() && !std::ifstream(options.ca_file).good()) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate_authority: can't read ", options.ca_file));
  }
  if (options.max_connections < 1)
    return absl::InvalidArgumentError("max_connections: must be at least 1");
  if (options.retries < 0) return absl::InvalidArgumentError("retries: must not be negative");
  if (options.max_response_bytes < 1)
    return absl::InvalidArgumentError("max_response_bytes: must be at least 1");
  return url;
}

// The posts of one call of PostAll. `left` is guarded by the worker's mutex.
struct Batch {
  size_t left = 0;
};

// One post on its way. Only the worker's thread uses it once it is handed over.
struct Transfer {
  Transfer(const HttpPost* of, HttpAnswer* to, Batch* in, const HttpClientOptions& options)
      : post(of),
        answer(to),
        batch(in),
        max_bytes(options.max_response_bytes),
        backoff(options.first_pause, options.longest_pause) {}

  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  // REQUIRES: no attempt is under way.
  ~Transfer() { curl_slist_free_all(headers); }

  const HttpPost* const post;
  HttpAnswer* const answer;
  Batch* const batch;
  const size_t max_bytes;
  Backoff backoff;
  int attempts = 0;
  absl::Time not_before = absl::InfinitePast();
  curl_slist* headers = nullptr;  // where the post has some of its own: all of them
  std::string last_failure;       // of the attempt before a pause
  // Of the attempt under way.
  CURL* easy = nullptr;
  std::string body;
  bool too_long = false;
  std::array<char, CURL_ERROR_SIZE> error{};
};

size_t TakeBytes(char* data, size_t size, size_t count, void* transfer_pointer) {
  auto* transfer = static_cast<Transfer*>(transfer_pointer);
  if (transfer->body.size() + size * count > transfer->max_bytes) {
    transfer->too_long = true;
    return 0;
  }
  transfer->body.append(data, size * count);
  return size * count;
}

std::string TextOf(CURLcode code, const Transfer& transfer) {
  return Excerpt(transfer.error[0] != '\0' ? transfer.error.data() : curl_easy_strerror(code));
}

void InitializeOnce() {
  static std::once_flag once;
  // Never undone: other code of the process may use the library, too.
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

std::string Excerpt(const std::string& text) {
  std::string excerpt;
  for (const char c : text.substr(0, kExcerptBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    excerpt += absl::ascii_isspace(byte) ? ' ' : absl::ascii_isprint(byte) ? c : '?';
  }
  if (text.size() > kExcerptBytes) excerpt += "...";
  return excerpt;
}

// The thread that does all input and output.
class HttpClient::Worker {
 public:
  Worker(HttpClientOptions options, UrlParts url)
      : options_(std::move(options)), url_(std::move(url)), multi_(curl_multi_init()) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_connections));
    AddHeader("Content-Type", "application/json");
    AddHeader("Accept", "application/json");
    AddHeader("Expect",
              "");  // otherwise long bodies wait for a "100 Continue" that few servers send
    for (const HttpHeader& header : options_.headers) AddHeader(header.name, header.value);
    thread_ = std::thread([this] { Run(); });
  }

  ~Worker() {
    Close();
    thread_.join();
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
  }

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  std::vector<HttpAnswer> PostAll(const std::vector<HttpPost>& posts) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<HttpAnswer> answers(posts.size());
    Batch batch{.left = posts.size()};
    absl::MutexLock lock(&mutex_);
    if (closed_) {
      for (HttpAnswer& answer : answers) answer = Cancelled();
      return answers;
    }
    for (size_t i = 0; i < posts.size(); ++i)
      incoming_.push_back(std::make_unique<Transfer>(&posts[i], &answers[i], &batch, options_));
    curl_multi_wakeup(multi_);
    const auto is_done = [&batch] { return batch.left == 0; };
    mutex_.Await(absl::Condition(&is_done));
    return answers;
  }

  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    curl_multi_wakeup(multi_);
  }

 private:
  using TransferPtr = std::unique_ptr<Transfer>;

  void AddHeader(const std::string& name, const std::string& value) {
    headers_ = curl_slist_append(headers_, value.empty() ? absl::StrCat(name, ":").c_str()
                                                         : absl::StrCat(name, ": ", value).c_str());
  }

  // Those of the client and the post's own.
  const curl_slist* HeadersOf(Transfer* transfer) const {
    if (transfer->post->headers.empty()) return headers_;
    if (transfer->headers == nullptr) {
      for (const curl_slist* header = headers_; header != nullptr; header = header->next)
        transfer->headers = curl_slist_append(transfer->headers, header->data);
      for (const HttpHeader& header : transfer->post->headers) {
        transfer->headers = curl_slist_append(
            transfer->headers, absl::StrCat(header.name, ": ", header.value).c_str());
      }
    }
    return transfer->headers;
  }

  static HttpAnswer Cancelled() {
    return {.kind = HttpAnswer::Kind::kCancelled, .body = "", .reason = "cancelled"};
  }

  void Run() {
    while (TakeIncoming()) {
      const absl::Time now = absl::Now();
      if (now >= next_sweep_) Sweep(now);
      StartDue(now);
      // A connection that has become free may be wanted at once.
      if (Perform() && !waiting_.empty()) continue;
      const bool is_idle = waiting_.empty() && running_.empty();
      curl_multi_poll(
          multi_, nullptr, 0,
          is_idle ? kIdleMilliseconds : static_cast<int>(absl::ToInt64Milliseconds(kTick)),
          nullptr);
    }
    while (!running_.empty()) Finish(Stop(running_.begin()->first), Cancelled());
    for (TransferPtr& transfer : waiting_) Finish(std::move(transfer), Cancelled());
    waiting_.clear();
  }

  // False: closed; all there is has been taken.
  bool TakeIncoming() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    for (TransferPtr& transfer : incoming_) waiting_.push_back(std::move(transfer));
    incoming_.clear();
    return !closed_;
  }

  // Ends what nobody waits for any longer, whether it has begun or not.
  void Sweep(absl::Time now) {
    next_sweep_ = now + kTick;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      HttpAnswer answer;
      if (!IsOver(**it, now, &answer)) {
        ++it;
        continue;
      }
      Finish(std::move(*it), std::move(answer));
      it = waiting_.erase(it);
    }
    std::vector<std::pair<CURL*, HttpAnswer>> over;
    for (const auto& [easy, transfer] : running_) {
      HttpAnswer answer;
      if (IsOver(*transfer, now, &answer)) over.emplace_back(easy, std::move(answer));
    }
    for (auto& [easy, answer] : over) Finish(Stop(easy), std::move(answer));
  }

  bool IsOver(const Transfer& transfer, absl::Time now, HttpAnswer* answer) const {
    const std::function<bool()>* cancelled = transfer.post->cancelled;
    if (cancelled != nullptr && *cancelled && (*cancelled)()) {
      *answer = Cancelled();
      return true;
    }
    if (now < transfer.post->deadline) return false;
    answer->kind = HttpAnswer::Kind::kTimedOut;
    answer->reason =
        transfer.easy != nullptr ? absl::StrCat(About(transfer), "no answer before the deadline")
        : transfer.attempts == 0
            ? absl::StrCat(About(transfer), "the deadline passed before one of ",
                           options_.max_connections, " connections was free")
            : absl::StrCat(About(transfer), transfer.last_failure, "; then the deadline passed");
    return true;
  }

  void StartDue(absl::Time now) {
    for (auto it = waiting_.begin();
         it != waiting_.end() && running_.size() < static_cast<size_t>(options_.max_connections);) {
      if ((*it)->not_before > now) {
        ++it;
        continue;
      }
      TransferPtr transfer = std::move(*it);
      it = waiting_.erase(it);
      Start(std::move(transfer));
    }
  }

  void Start(TransferPtr transfer) {
    CURL* easy = curl_easy_init();
    transfer->easy = easy;
    ++transfer->attempts;
    transfer->body.clear();
    transfer->error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, HeadersOf(transfer.get()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(transfer->post->body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->post->body.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &TakeBytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error.data());
    // Refuses an answer that is announced as too long before any of it is read.
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer->max_bytes));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // don't wait for a resolver that hangs
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    running_.emplace(easy, std::move(transfer));
    if (const CURLMcode code = curl_multi_add_handle(multi_, easy); code != CURLM_OK)
      Fail(Stop(easy), curl_multi_strerror(code));
  }

  // Whether an attempt ended.
  bool Perform() {
    int still_running = 0;
    if (const CURLMcode code = curl_multi_perform(multi_, &still_running); code != CURLM_OK) {
      while (!running_.empty()) Fail(Stop(running_.begin()->first), curl_multi_strerror(code));
      return true;
    }
    bool has_ended = false;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      End(message->easy_handle, message->data.result);
      has_ended = true;
    }
    return has_ended;
  }

  // An attempt has ended.
  void End(CURL* easy, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    const char* location = nullptr;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
    const std::string redirect = location != nullptr ? Excerpt(location) : "nowhere";
    TransferPtr transfer = Stop(easy);

    if (code == CURLE_OK && status >= 200 && status < 300) {
      HttpAnswer answer{
          .kind = HttpAnswer::Kind::kAnswered, .body = std::move(transfer->body), .reason = ""};
      return Finish(std::move(transfer), std::move(answer));
    }
    if (transfer->too_long || code == CURLE_FILESIZE_EXCEEDED) {
      const size_t limit = transfer->max_bytes;
      return Fail(std::move(transfer), absl::StrCat("the answer is longer than ", limit, " bytes"));
    }
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
      const std::string why = TextOf(code, *transfer);
      return TryAgain(std::move(transfer), why, absl::ZeroDuration());
    }
    if (code != CURLE_OK) {
      const std::string why = TextOf(code, *transfer);
      return Fail(std::move(transfer), why);
    }
    if (status >= 300 && status < 400) {
      return Fail(std::move(transfer), absl::StrCat("status ", status, ", a redirect to ", redirect,
                                                    "; give the URL that answers itself"));
    }
    const std::string why = absl::StrCat("status ", status, ": ", Excerpt(transfer->body));
    if (status == 429 || status == 503)
      return TryAgain(std::move(transfer), why, absl::Seconds(retry_after));
    Fail(std::move(transfer), why);
  }

  void TryAgain(TransferPtr transfer, const std::string& why, absl::Duration at_least) {
    if (transfer->attempts > options_.retries) return Fail(std::move(transfer), why);
    const absl::Duration pause = std::max(transfer->backoff.Next(), at_least);
    const absl::Time next = absl::Now() + pause;
    if (next >= transfer->post->deadline) {
      return Fail(std::move(transfer),
                  absl::StrCat(why, "; the deadline leaves no time for another attempt"));
    }
    transfer->not_before = next;
    transfer->last_failure = why;
    waiting_.push_back(std::move(transfer));
  }

  // Takes the transfer of `easy` out, whatever its state.
  TransferPtr Stop(CURL* easy) {
    const auto found = running_.find(easy);
    TransferPtr transfer = std::move(found->second);
    running_.erase(found);
    curl_multi_remove_handle(multi_, easy);
    curl_easy_cleanup(easy);
    transfer->easy = nullptr;
    return transfer;
  }

  void Fail(TransferPtr transfer, const std::string& why) {
    HttpAnswer answer{.kind = HttpAnswer::Kind::kFailed,
                      .body = "",
                      .reason = absl::StrCat(About(*transfer), why)};
    Finish(std::move(transfer), std::move(answer));
  }

  void Finish(TransferPtr transfer, HttpAnswer answer) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    *transfer->answer = std::move(answer);
    --transfer->batch->left;
  }

  std::string About(const Transfer& transfer) const {
    return absl::StrCat("POST ", url_.shown,
                        transfer.attempts > 1 ? absl::StrCat(", attempt ", transfer.attempts) : "",
                        ": ");
  }

  const HttpClientOptions options_;
  const UrlParts url_;
  CURLM* const multi_;  // only the thread's, but for curl_multi_wakeup
  curl_slist* headers_ = nullptr;

  absl::Mutex mutex_;
  std::deque<TransferPtr> incoming_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  // Only the thread's.
  std::list<TransferPtr> waiting_;  // for a connection, or for the end of a pause
  std::unordered_map<CURL*, TransferPtr> running_;
  absl::Time next_sweep_ = absl::InfinitePast();

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const HttpClientOptions& options) {
  InitializeOnce();
  TPO_ASSIGN_OR_RETURN(UrlParts url, CheckOptions(options));
  return std::unique_ptr<HttpClient>(
      new HttpClient(std::make_unique<Worker>(options, std::move(url))));
}

HttpClient::HttpClient(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}

HttpClient::~HttpClient() = default;

std::vector<HttpAnswer> HttpClient::PostAll(const std::vector<HttpPost>& posts) {
  return worker_->PostAll(posts);
}

void HttpClient::Close() { worker_->Close(); }

}  // namespace tpo

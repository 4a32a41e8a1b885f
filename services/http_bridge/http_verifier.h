// A bridge: a reward server that speaks JSON over HTTP, as a verifier. For servers that exist; a
// new one is better off with proto/tpo/v1/verifier.proto. docs/bridges.md says what to write where.
//
// Nothing that goes wrong becomes a score:
//   no connection, a status other than 2xx (503 and 429 after further attempts), a redirect, a
//   broken connection, an answer that is too long, not JSON, without the field, of a wrong count,
//   or with something other than a number                        kFailed, and the reason says which
//   null in place of one score of a list (OpenRLHF)           kAbstained, that completion alone
//   the deadline (the caller's or `deadline`, whichever is sooner)   kTimedOut
// Where a server takes one completion a request, each
// has its own fate.
//
// A request that belongs to a trace has W3C's headers "traceparent" and, where the caller sent one,
// "tracestate".
//
// Thread-safe. Verify blocks its caller, not a core: let as many groups be verified at a time as
// the server gains from.
#ifndef TPO_SERVICES_HTTP_BRIDGE_HTTP_VERIFIER_H_
#define TPO_SERVICES_HTTP_BRIDGE_HTTP_VERIFIER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/verifier_api.h"
#include "services/http_bridge/http_client.h"
#include "services/http_bridge/http_header.h"
#include "services/http_bridge/reward_shape.h"

namespace tpo {

// What stands for text where prompt or reference answer have tokens but no text. A completion
// without text is an empty answer as long as its prompt has text.
enum class HttpText {
  kRequired,  // nothing: the group fails, with a reason. Tokens mean nothing to a reward server
  kTokens,    // the tokens in decimal, with spaces between. For tasks of tokens, and to try out
};

struct HttpVerifierOptions {
  // `http.headers` stays empty: `headers` below is read into it.
  HttpClientOptions http;
  std::vector<HttpHeaderSource> headers;
  HttpRewardShape shape = HttpRewardShape::kOpenRlhf;
  RewardShapeOptions shape_options;
  HttpText text = HttpText::kRequired;
  // What Describe names, since a server doesn't say. Empty where a registry is told beside it.
  std::vector<std::string> tasks;
  std::string name = "http";                    // the verifier's, in logs and metrics
  absl::Duration deadline = absl::Seconds(30);  // of one group, further attempts included
};

class HttpVerifier : public VerifierApi {
 public:
  // INVALID_ARGUMENT or NOT_FOUND names the option that can't be used. Doesn't connect: a server
  // that isn't there yet is no reason not to start.
  static absl::StatusOr<std::unique_ptr<HttpVerifier>> Create(const HttpVerifierOptions& options);

  // CANCELLED: the caller left, or Close.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;
  // All groups at the same time.
  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override;
  absl::StatusOr<VerifierDescription> Describe() override;
  void Close() override;

 private:
  using Result = absl::StatusOr<std::vector<Verdict>>;
  struct Call;

  HttpVerifier(const HttpVerifierOptions& options, std::unique_ptr<RewardShape> shape,
               std::unique_ptr<HttpClient> client);

  std::vector<Result> Ask(const std::vector<const VerifyRequest*>& requests);
  // Adds the calls of one group to `calls`; `result` gets the verdicts of what can't be sent.
  void Plan(size_t group, const VerifyRequest& request, std::vector<Verdict>* result,
            std::vector<Call>* calls) const;
  void Take(const Call& call, const HttpAnswer& answer, Result* result) const;

  const HttpVerifierOptions options_;
  const std::unique_ptr<RewardShape> shape_;
  const std::unique_ptr<HttpClient> client_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_HTTP_BRIDGE_HTTP_VERIFIER_H_

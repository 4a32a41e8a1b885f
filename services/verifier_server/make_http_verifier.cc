#include <utility>

#include "absl/time/time.h"
#include "core/status_macros.h"
#include "services/http_bridge/http_verifier.h"
#include "services/verifier_server/verifier_factory.h"

namespace tpo {
namespace {

constexpr size_t kKib = 1024;

HttpRewardShape ShapeOf(v1::HttpShape shape) {
  switch (shape) {
    case v1::HTTP_SHAPE_SLIME:
      return HttpRewardShape::kSlime;
    case v1::HTTP_SHAPE_NEMO_GYM:
      return HttpRewardShape::kNemoGym;
    default:
      return HttpRewardShape::kOpenRlhf;
  }
}

HttpHeaderSource SourceOf(const v1::HttpHeaderConfig& header) {
  return {.name = header.name(),
          .value = header.value(),
          .environment = header.environment(),
          .file = header.file(),
          .prefix = header.prefix()};
}

HttpVerifierOptions OptionsOf(const v1::HttpVerifierConfig& config) {
  HttpVerifierOptions options;
  options.http.url = config.url();
  options.http.allow_remote_plaintext = config.insecure();
  options.http.ca_file = config.certificate_authority();
  options.http.max_connections = config.max_connections();
  options.http.retries = config.retries();
  options.http.max_response_bytes = static_cast<size_t>(config.max_response_kib()) * kKib;
  for (const v1::HttpHeaderConfig& header : config.headers())
    options.headers.push_back(SourceOf(header));
  options.shape = ShapeOf(config.shape());
  options.shape_options.score_field = config.score_field();
  options.shape_options.label_field = config.label_field();
  options.shape_options.completions_per_request =
      static_cast<size_t>(config.completions_per_request());
  options.shape_options.json_metadata = {config.json_metadata().begin(),
                                         config.json_metadata().end()};
  options.text = config.text() == v1::HTTP_TEXT_TOKENS ? HttpText::kTokens : HttpText::kRequired;
  options.name = config.name();
  options.deadline = absl::Seconds(config.timeout_seconds());
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeHttpVerifier(
    const v1::HttpVerifierConfig& config) {
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<HttpVerifier> verifier,
                       HttpVerifier::Create(OptionsOf(config)));
  return verifier;
}

}  // namespace tpo

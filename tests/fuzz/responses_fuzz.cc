// What clients get from learners and verifiers: converted, checked, and made safe to use.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "services/config/config.h"
#include "services/grpc/convert.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/verifier_call.h"
#include "services/status_page/status_view.h"
#include "services/verifier_server/verifier_factory.h"
#include "tests/fuzz/fuzz.h"
#include "tpo/v1/config.pb.h"
#include "tpo/v1/learner.pb.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {
namespace {

// Parses, converts, and back.
template <typename Message>
void Convert(std::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto value = FromProto(message);
  if (!value.ok()) return;
  Message back;
  ToProto(*value, &back);
  const auto again = FromProto(back);
  Require(again.ok(), "what was accepted is accepted again");
}

// Four completions, three tokens each; the second has two candidates a token.
VerifyRequest Question(bool want_token_rewards) {
  VerifyRequest request;
  request.want_token_rewards = want_token_rewards;
  for (int i = 0; i < 4; ++i) {
    Completion completion;
    completion.tokens = {0, 1, 2};
    if (i == 1) completion.candidate_tokens = {0, 0, 1, 1, 2, 2};
    request.completions.push_back(std::move(completion));
  }
  return request;
}

void CheckVerdict(const VerifyRequest& request, size_t i, const Verdict& verdict) {
  Require(verdict.kind >= VerdictKind::kScored && verdict.kind <= VerdictKind::kFailed,
          "a verdict has a kind");
  Require(std::isfinite(verdict.score) && std::isfinite(verdict.cost) && verdict.cost >= 0,
          "its numbers are finite");
  Require(verdict.kind == VerdictKind::kScored || verdict.score == 0.0, "a failure is no score");
  Require(verdict.reason.size() <= kMaxVerdictTextBytes &&
              verdict.explanation.size() <= kMaxVerdictTextBytes,
          "its texts are short");
  Require(verdict.components.size() <= kMaxVerdictComponents, "its components are few");
  for (const auto& [name, value] : verdict.components)
    Require(std::isfinite(value) && name.size() <= kMaxComponentNameBytes, "a component is sound");
  for (const float reward : verdict.token_rewards) Require(std::isfinite(reward), "rewards, too");
  if (verdict.kind != VerdictKind::kScored) return;
  const Completion& completion = request.completions[i];
  const size_t rewards = completion.candidate_tokens.empty() ? completion.tokens.size()
                                                             : completion.candidate_tokens.size();
  Require(verdict.token_rewards.size() == (request.want_token_rewards ? rewards : 0),
          "a reward for each token, or none");
}

void Verdicts(std::string_view bytes, bool want_token_rewards) {
  v1::VerifyResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const VerifyRequest request = Question(want_token_rewards);
  const std::vector<Verdict> verdicts = SanitizeVerdicts(request, UncheckedVerdicts(response));
  Require(verdicts.size() == request.completions.size(), "a verdict for each completion");
  for (size_t i = 0; i < verdicts.size(); ++i) CheckVerdict(request, i, verdicts[i]);
  for (const Verdict& verdict : verdicts) {
    v1::Verdict sent;
    ToProto(verdict, &sent);
    Require(FromProto(sent).ok(), "the learner takes what was made safe");
  }
}

// As `tpo status` shows it.
void Details(std::string_view bytes) {
  v1::GetStatusResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto status = FromProto(response);
  const auto details = DetailsFromProto(response);
  if (!status.ok() || !details.ok()) return;
  v1::GetStatusResponse back;
  DetailsToProto(status->workers_seen, *details, &back);
  Require(DetailsFromProto(back).ok(), "what was accepted is accepted again");
  for (const char c : StatusText({.status = *status, .details = *details})) {
    const auto byte = static_cast<unsigned char>(c);
    Require(c == '\n' || (byte >= 0x20 && byte != 0x7f), "a terminal gets no control characters");
  }
}

// Whether making it reads files, starts programs or opens connections.
template <typename Config>
bool LeavesTheProcess(const Config& verifier) {
  return verifier.has_code() || verifier.has_http() || verifier.json_schema().has_schema_file();
}

// What a worker makes of RegisterResponse.own_verifier.
void OwnVerifier(std::string_view bytes) {
  const auto verifier = ParseServedVerifier(std::string(bytes));
  if (!verifier.ok()) return;
  const auto again = ParseServedVerifier(verifier->SerializeAsString());
  Require(again.ok(), "what was accepted is accepted again");
  v1::VerifierServiceConfig section;
  *section.add_verifiers() = *verifier;
  Require(DefaultConcurrentGroups(section) > 0, "somebody judges");
  if (LeavesTheProcess(*verifier)) return;
  for (const v1::CompositePartConfig& part : verifier->composite().parts())
    if (LeavesTheProcess(part)) return;
  (void)MakeVerifiers(section);
}

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  FuzzInput input(data, size);
  const uint8_t kind = input.Byte();
  const std::string_view bytes = input.Rest();
  if (kind >= 128) {
    kind % 2 == 0 ? Details(bytes) : OwnVerifier(bytes);
    return 0;
  }
  switch (kind % 8) {
    case 0:
    case 1:
      Verdicts(bytes, kind % 2 == 1);
      break;
    case 2: {
      v1::DescribeResponse response;
      if (response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        (void)FromProto(response);
      break;
    }
    case 3:
      Convert<v1::RegisterResponse>(bytes);
      break;
    case 4:
      Convert<v1::LeasePromptsResponse>(bytes);
      break;
    case 5:
      Convert<v1::SubmitResult>(bytes);
      break;
    case 6:
      Convert<v1::GetStatusResponse>(bytes);
      break;
    default:
      Convert<v1::Group>(bytes);
      break;
  }
  return 0;
}

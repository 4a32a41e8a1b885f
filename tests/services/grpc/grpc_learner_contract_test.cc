// The contract of LearnerApi, for the learner's endpoint behind service and client.
#include <memory>

#include "learner/learner_endpoint.h"
#include "services/grpc/grpc_learner_client.h"
#include "tests/core/learner_api_contract.h"
#include "tests/services/grpc/grpc_test_support.h"

namespace tpo {
namespace {

// `kSharesWeights`: the client takes them from the learner's store.
template <Transport kTransport, bool kSharesWeights = false>
class ClientFactory {
 public:
  explicit ClientFactory(const LearnerContractParts& parts)
      : endpoint_(parts.run, parts.lease_book, parts.weights, parts.clock),
        service_(MakeLearnerService(&endpoint_, parts.weights, &admin_, {})),
        server_(
            GrpcServer::Start({.listen = kTransport == Transport::kLoopback ? "127.0.0.1:0" : "",
                               .announce = false,
                               .services = {service_.get()}})
                .value()),
        client_(kTransport == Transport::kLoopback
                    ? MakeLearnerChannel({.address = server_->address()}).value()
                    : server_->InProcessChannel(),
                {.local_weights = kSharesWeights ? parts.weights : nullptr}) {}

  LearnerApi& api() { return client_; }

 private:
  FakeAdmin admin_;
  LearnerEndpoint endpoint_;
  const std::unique_ptr<RpcService> service_;
  const std::unique_ptr<GrpcServer> server_;
  GrpcLearnerClient client_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(InProcess, LearnerApiContract, ClientFactory<Transport::kInProcess>);
using SharingFactory = ClientFactory<Transport::kInProcess, true>;
INSTANTIATE_TYPED_TEST_SUITE_P(InProcessSharingWeights, LearnerApiContract, SharingFactory);
INSTANTIATE_TYPED_TEST_SUITE_P(Loopback, LearnerApiContract, ClientFactory<Transport::kLoopback>);

}  // namespace
}  // namespace tpo

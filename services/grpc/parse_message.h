// Bytes of a peer to a message, within limits. Generated code parses whatever it gets, and a
// message can take a hundred times as much memory as its bytes: 128 MiB of empty completions are 64
// million of them. So what comes from outside is looked through before it is parsed. For services'
// and clients' sources; needs gRPC and protobuf.
//
// Thread-safe: pure functions.
#ifndef TPO_SERVICES_GRPC_PARSE_MESSAGE_H_
#define TPO_SERVICES_GRPC_PARSE_MESSAGE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace tpo {

// INVALID_ARGUMENT: more than `max_bytes`, no such message, or more than MaxParts
// (services/grpc/message_limits.h). CANCELLED: there are no bytes, not even an empty message's.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, size_t max_bytes,
                          google::protobuf::Message* message);

// REQUIRES: the message's text is valid UTF-8.
grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_PARSE_MESSAGE_H_

// The messages of the weight stream, built without a copy of the weights: a message refers to the
// snapshot's bytes and keeps the snapshot alive. What a receiver parses is a WatchWeightsResponse
// (proto/tpo/v1/learner.proto). Needs gRPC: for weight_streams.cc and its tests.
#ifndef TPO_SERVICES_GRPC_WEIGHT_MESSAGES_H_
#define TPO_SERVICES_GRPC_WEIGHT_MESSAGES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/weight_snapshot.h"
#include "grpcpp/support/byte_buffer.h"

namespace tpo {

// `incarnation`: the life of the learner that published it; may be empty.
grpc::ByteBuffer ManifestMessage(const WeightSnapshot& snapshot,
                                 const std::string& incarnation = "");

// REQUIRES: offset_bytes + size_bytes is within the snapshot, size_bytes > 0.
grpc::ByteBuffer FrameMessage(const std::shared_ptr<const WeightSnapshot>& snapshot,
                              uint64_t offset_bytes, uint64_t size_bytes);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_WEIGHT_MESSAGES_H_

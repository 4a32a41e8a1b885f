#include "services/grpc/weight_messages.h"

#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/slice.h"
#include "services/grpc/convert.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedOutputStream;

// The longest header of a frame: six tags and lengths, none longer than a varint of 64 bits.
constexpr size_t kMaxHeaderBytes = 60;

uint8_t* WriteTag(int field, WireFormatLite::WireType type, uint8_t* target) {
  return CodedOutputStream::WriteTagToArray(WireFormatLite::MakeTag(field, type), target);
}

// Everything of WeightFrame in front of its bytes.
uint8_t* WriteFrameFields(uint64_t version, uint64_t offset_bytes, uint64_t size_bytes,
                          uint8_t* target) {
  target =
      WriteTag(v1::WeightFrame::kWeightVersionFieldNumber, WireFormatLite::WIRETYPE_VARINT, target);
  target = CodedOutputStream::WriteVarint64ToArray(version, target);
  target =
      WriteTag(v1::WeightFrame::kOffsetBytesFieldNumber, WireFormatLite::WIRETYPE_VARINT, target);
  target = CodedOutputStream::WriteVarint64ToArray(offset_bytes, target);
  target = WriteTag(v1::WeightFrame::kDataFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED,
                    target);
  return CodedOutputStream::WriteVarint64ToArray(size_bytes, target);
}

grpc::Slice FrameHeader(uint64_t version, uint64_t offset_bytes, uint64_t size_bytes) {
  uint8_t fields[kMaxHeaderBytes];
  const size_t fields_size = WriteFrameFields(version, offset_bytes, size_bytes, fields) - fields;
  uint8_t header[kMaxHeaderBytes * 2];
  uint8_t* end = WriteTag(v1::WatchWeightsResponse::kFrameFieldNumber,
                          WireFormatLite::WIRETYPE_LENGTH_DELIMITED, header);
  end = CodedOutputStream::WriteVarint64ToArray(fields_size + size_bytes, end);
  end = CodedOutputStream::WriteRawToArray(fields, static_cast<int>(fields_size), end);
  return grpc::Slice(header, end - header);
}

using SnapshotPointer = std::shared_ptr<const WeightSnapshot>;

grpc::Slice SnapshotSlice(const SnapshotPointer& snapshot, uint64_t offset_bytes,
                          uint64_t size_bytes) {
  const std::byte* data = snapshot->weights.bytes().data() + offset_bytes;
  // A slice never writes through its pointer, but takes it without const.
  return grpc::Slice(
      const_cast<std::byte*>(data), size_bytes,
      [](void* owner) { delete static_cast<SnapshotPointer*>(owner); },
      new SnapshotPointer(snapshot));
}

}  // namespace

grpc::ByteBuffer ManifestMessage(const WeightSnapshot& snapshot, const std::string& incarnation) {
  v1::WatchWeightsResponse message;
  ToProto(snapshot, message.mutable_manifest());
  message.mutable_manifest()->set_learner_incarnation(incarnation);
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer FrameMessage(const SnapshotPointer& snapshot, uint64_t offset_bytes,
                              uint64_t size_bytes) {
  const grpc::Slice slices[] = {
      FrameHeader(static_cast<uint64_t>(snapshot->version), offset_bytes, size_bytes),
      SnapshotSlice(snapshot, offset_bytes, size_bytes)};
  return grpc::ByteBuffer(slices, 2);
}

}  // namespace tpo

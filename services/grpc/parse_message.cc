#include "services/grpc/parse_message.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "services/grpc/message_limits.h"

namespace tpo {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedInputStream;

// Counts the parts of a message without building it.
class PartCounter {
 public:
  explicit PartCounter(uint64_t most) : left_(most) {}

  // Whether the bytes up to the stream's limit may be parsed as `type`: they are well-formed so far
  // as this looks, and there are not too many parts.
  bool Walk(const Descriptor& type, CodedInputStream* stream) {
    while (const uint32_t tag = stream->ReadTag()) {
      if (!WalkField(type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag)), tag, stream))
        return false;
    }
    return stream->ConsumedEntireMessage();
  }

  bool too_many() const { return too_many_; }

 private:
  bool Take() {
    too_many_ = left_ == 0;
    if (!too_many_) --left_;
    return !too_many_;
  }

  // `field` is nullptr when we don't know it.
  bool WalkField(const FieldDescriptor* field, uint32_t tag, CodedInputStream* stream) {
    if (field == nullptr && !Take()) return false;
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT: {
        uint64_t ignored = 0;
        return stream->ReadVarint64(&ignored);
      }
      case WireFormatLite::WIRETYPE_FIXED32:
        return stream->Skip(4);
      case WireFormatLite::WIRETYPE_FIXED64:
        return stream->Skip(8);
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return WalkDelimited(field, stream);
      default:
        // Groups, which no message of ours has.
        return false;
    }
  }

  bool WalkDelimited(const FieldDescriptor* field, CodedInputStream* stream) {
    uint32_t size = 0;
    if (!stream->ReadVarint32(&size) || size > static_cast<uint32_t>(INT32_MAX)) return false;
    if (field == nullptr) return stream->Skip(static_cast<int>(size));
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    // The rest is a list of numbers, which takes little more than its bytes.
    if (is_message || field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      if (!Take()) return false;
    }
    if (!is_message) return stream->Skip(static_cast<int>(size));
    const CodedInputStream::Limit limit = stream->PushLimit(static_cast<int>(size));
    // Our messages don't hold themselves, so the depth is that of the schema.
    const bool ok = Walk(*field->message_type(), stream) && stream->BytesUntilLimit() == 0;
    stream->PopLimit(limit);
    return ok;
  }

  uint64_t left_;
  bool too_many_ = false;
};

absl::Status Malformed(const Descriptor& type) {
  return absl::InvalidArgumentError(absl::StrCat("the bytes are no ", type.full_name()));
}

absl::Status CheckParts(const grpc::ByteBuffer& bytes, const Descriptor& type) {
  grpc::ByteBuffer copy = bytes;  // of the reference, not of the bytes
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok()) return Malformed(type);
  CodedInputStream stream(&reader);
  stream.SetTotalBytesLimit(INT32_MAX);
  PartCounter counter(MaxParts(bytes.Length()));
  if (counter.Walk(type, &stream)) return absl::OkStatus();
  if (!counter.too_many()) return Malformed(type);
  return absl::InvalidArgumentError(absl::StrCat("a ", type.full_name(), " of ", bytes.Length(),
                                                 " bytes with too many parts; at most ",
                                                 MaxParts(bytes.Length())));
}

}  // namespace

absl::Status ParseMessage(const grpc::ByteBuffer& bytes, size_t max_bytes,
                          google::protobuf::Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  // gRPC calls handlers that take bytes without any when the client left before it had sent them.
  if (!bytes.Valid()) return absl::CancelledError("the caller left before its request came");
  if (bytes.Length() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("a ", type.full_name(), " of ", bytes.Length(),
                                                   " bytes; at most ", max_bytes));
  }
  if (absl::Status status = CheckParts(bytes, type); !status.ok()) return status;
  grpc::ByteBuffer copy = bytes;
  grpc::ProtoBufferReader reader(&copy);
  return message->ParseFromZeroCopyStream(&reader) ? absl::OkStatus() : Malformed(type);
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, &bytes,
                                                                             &own_buffer);
  return bytes;
}

}  // namespace tpo

// The messages of a weight stream, as a worker takes them: pieces that are messages, and what it
// puts together from them.
#include <string>
#include <utility>

#include "services/grpc/convert.h"
#include "services/grpc/weight_assembler.h"
#include "tests/fuzz/fuzz.h"
#include "tpo/v1/learner.pb.h"

namespace {

// An assembler asks for what a manifest says and uses it as bytes come; libFuzzer limits the
// former.
constexpr uint64_t kMostBytes = 1 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tpo::FuzzInput input(data, size);
  tpo::WeightAssembler assembler;
  tpo::WeightVersion newest = -1;
  while (!input.empty()) {
    const std::string_view piece = input.Piece();
    tpo::v1::WatchWeightsResponse message;
    if (!message.ParseFromArray(piece.data(), static_cast<int>(piece.size()))) continue;
    if (message.has_manifest()) {
      auto manifest = tpo::FromProto(message.manifest());
      if (!manifest.ok() || manifest->size_bytes > kMostBytes) continue;
      (void)assembler.Begin(*std::move(manifest), newest);
    } else if (message.has_frame()) {
      const tpo::v1::WeightFrame& frame = message.frame();
      (void)assembler.Add(
          frame.weight_version(), frame.offset_bytes(),
          {reinterpret_cast<const std::byte*>(frame.data().data()), frame.data().size()});
    }
    if (!assembler.complete()) continue;
    const auto snapshot = assembler.Take();
    if (!snapshot.ok()) continue;
    tpo::Require((*snapshot)->version > newest, "versions ascend");
    tpo::Require(tpo::Crc32c((*snapshot)->weights.bytes()) == (*snapshot)->crc32c,
                 "only bytes that match their checksum come out");
    newest = (*snapshot)->version;
  }
  return 0;
}

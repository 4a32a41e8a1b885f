// The learner's side of one weight stream, as services/grpc/weight_streams.cc has it: the newest
// version in frames, one after another, as fast as its subscriber takes them.
#ifndef TPO_TESTS_SIMULATION_WEIGHT_STREAM_H_
#define TPO_TESTS_SIMULATION_WEIGHT_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/weight_store.h"
#include "services/grpc/weight_assembler.h"
#include "tests/simulation/event_loop.h"

namespace tpo::simulation {

// A manifest when `frame` is empty.
struct StreamMessage {
  WeightManifest manifest;
  WeightVersion version = 0;
  uint64_t offset_bytes = 0;
  std::vector<std::byte> frame;
};

class WeightStream {
 public:
  struct Options {
    WeightVersion have_version = -1;
    WeightVersion resume_version = 0;
    uint64_t resume_bytes = 0;
    uint64_t frame_bytes = 0;
    absl::Duration write_time;  // of one message
  };
  // Puts a message on the wire; false: the stream broke.
  using Send = std::function<bool(StreamMessage)>;
  // The stream ended: the run is over.
  using OnEnd = std::function<void()>;

  WeightStream(Options options, WeightStore* weights, EventLoop* loop, Send send, OnEnd on_end);
  ~WeightStream();

  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

 private:
  void Continue();
  bool PrepareMessage(StreamMessage& message);

  const Options options_;
  WeightStore* const weights_;
  EventLoop* const loop_;
  const Send send_;
  const OnEnd on_end_;
  uint64_t subscription_ = 0;
  // Outlived by events that have to find out that the stream is gone.
  std::shared_ptr<WeightStream*> self_;
  bool writing_ = false;
  bool over_ = false;
  WeightVersion newest_sent_ = -1;
  uint64_t resume_bytes_ = 0;
  std::shared_ptr<const WeightSnapshot> current_;
  uint64_t offset_bytes_ = 0;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_WEIGHT_STREAM_H_

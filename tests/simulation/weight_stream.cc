#include "tests/simulation/weight_stream.h"

#include <algorithm>
#include <utility>

namespace tpo::simulation {

WeightStream::WeightStream(Options options, WeightStore* weights, EventLoop* loop, Send send,
                           OnEnd on_end)
    : options_(options),
      weights_(weights),
      loop_(loop),
      send_(std::move(send)),
      on_end_(std::move(on_end)),
      self_(std::make_shared<WeightStream*>(this)),
      newest_sent_(options.have_version),
      resume_bytes_(options.resume_bytes) {
  subscription_ = weights_->Subscribe([this] { Continue(); });
  Continue();
}

WeightStream::~WeightStream() {
  *self_ = nullptr;
  weights_->Unsubscribe(subscription_);
}

void WeightStream::Continue() {
  if (writing_ || over_) return;
  if (weights_->closed()) {
    over_ = true;
    on_end_();
    return;
  }
  StreamMessage message;
  if (!PrepareMessage(message)) return;
  if (!send_(std::move(message))) {
    over_ = true;
    return;
  }
  writing_ = true;
  loop_->After(options_.write_time, [self = self_] {
    if (*self == nullptr) return;
    (*self)->writing_ = false;
    (*self)->Continue();
  });
}

bool WeightStream::PrepareMessage(StreamMessage& message) {
  if (current_ != nullptr && offset_bytes_ < current_->weights.bytes().size()) {
    const absl::Span<const std::byte> bytes = current_->weights.bytes();
    const uint64_t size = std::min<uint64_t>(options_.frame_bytes, bytes.size() - offset_bytes_);
    message.version = current_->version;
    message.offset_bytes = offset_bytes_;
    message.frame.assign(bytes.begin() + static_cast<std::ptrdiff_t>(offset_bytes_),
                         bytes.begin() + static_cast<std::ptrdiff_t>(offset_bytes_ + size));
    offset_bytes_ += size;
    return true;
  }
  current_ = weights_->Newest();
  if (current_ == nullptr || current_->version <= newest_sent_) {
    current_ = nullptr;
    return false;
  }
  newest_sent_ = current_->version;
  const bool resume = current_->version == options_.resume_version &&
                      resume_bytes_ <= current_->weights.bytes().size();
  offset_bytes_ = resume ? resume_bytes_ : 0;
  resume_bytes_ = 0;
  message.manifest = {.version = current_->version,
                      .tensors = current_->weights.tensors(),
                      .size_bytes = current_->weights.bytes().size(),
                      .crc32c = current_->crc32c};
  return true;
}

}  // namespace tpo::simulation

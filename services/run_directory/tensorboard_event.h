// The part of TensorBoard's file format that scalars need: Event messages in the protobuf wire
// format, each framed as a TFRecord. Written out by hand because the four fields in use don't earn
// a copy of TensorFlow's protos.
//
// Field numbers: tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto;
// framing: "TFRecords format details" in TensorFlow's guide. Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_EVENT_H_
#define TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_EVENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tpo {

struct TensorBoardScalar {
  std::string_view tag;
  double value = 0.0;  // kept as a float, as TensorBoard does
};

// The message that opens every file.
std::string EncodeFileVersionEvent(double unix_seconds);

// Says that this file goes on from `step`: TensorBoard drops what older files hold at or after it.
std::string EncodeRestartEvent(double unix_seconds, int64_t step);

std::string EncodeScalarsEvent(double unix_seconds, int64_t step,
                               const std::vector<TensorBoardScalar>& scalars);

// Length, checksum of the length, data, checksum of the data.
std::string FrameTfRecord(std::string_view data);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_EVENT_H_

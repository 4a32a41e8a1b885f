// A file that grows by whole records: however a write fails, a reader never meets a torn record
// that a later one was written behind.
//
// Not thread-safe.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RECORD_FILE_H_
#define TPO_SERVICES_RUN_DIRECTORY_RECORD_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tpo {

// write(2), or what a test puts in its place to run out of space.
using WriteFunction = std::function<ssize_t(int fd, const void* data, size_t size)>;
ssize_t WriteToDescriptor(int fd, const void* data, size_t size);

struct RecordFileOptions {
  // Bytes of records that are kept in memory while they can't be written. When more fail, the
  // oldest are lost.
  size_t max_pending_bytes = 4 << 20;
  WriteFunction write = WriteToDescriptor;
};

class RecordFile {
 public:
  // Opens `path` for appending, creating it when missing. What is in it already is taken as whole.
  static absl::StatusOr<std::unique_ptr<RecordFile>> Open(const std::string& path,
                                                          const RecordFileOptions& options);

  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ~RecordFile();

  // Writes the pending records, then this one. On an error all of them stay pending, the file is
  // cut back to its last whole record (now, or where that fails too, before the next write), and
  // the status names the file.
  absl::Status Append(std::string_view record);

  // Makes what has been written durable.
  absl::Status Sync();

  // Bytes of whole records.
  int64_t size() const { return size_; }
  // Records that were given up because too many were pending.
  int64_t lost_records() const { return lost_records_; }

 private:
  RecordFile(const std::string& path, int fd, int64_t size, const RecordFileOptions& options);

  absl::Status WritePending();
  absl::Status CutTornTail();
  void ForgetOldest();

  const std::string path_;
  const RecordFileOptions options_;
  const int fd_;
  int64_t size_;
  bool torn_ = false;
  std::string pending_;
  std::vector<size_t> pending_sizes_;
  int64_t lost_records_ = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RECORD_FILE_H_

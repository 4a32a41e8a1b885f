#include "services/run_directory/record_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/run_directory/sample_run.h"

namespace tpo {
namespace {

using testing::HasSubstr;

// A disk with so many bytes left. Like a real one it writes what still fits in, then fails.
class SmallDisk {
 public:
  explicit SmallDisk(size_t free) : free_(free) {}
  void SetFree(size_t free) { free_ = free; }

  RecordFileOptions Options() {
    RecordFileOptions options;
    options.write = [this](int fd, const void* data, size_t size) -> ssize_t {
      if (free_ == 0) {
        errno = ENOSPC;
        return -1;
      }
      const ssize_t written = ::write(fd, data, std::min(size, free_));
      if (written > 0) free_ -= static_cast<size_t>(written);
      return written;
    };
    return options;
  }

 private:
  size_t free_;
};

TEST(RecordFileTest, AppendsToWhatIsThere) {
  const ScratchDirectory scratch;
  WriteText(scratch / "file", "one\n");
  auto file = RecordFile::Open(scratch / "file", {});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), 4);
  ASSERT_TRUE((*file)->Append("two\n").ok());
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_EQ((*file)->size(), 8);
  EXPECT_EQ(ReadText(scratch / "file"), "one\ntwo\n");
}

TEST(RecordFileTest, NamesTheFileThatCannotBeOpened) {
  const ScratchDirectory scratch;
  const auto file = RecordFile::Open(scratch / "missing/file", {});
  EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(file.status().message(), HasSubstr(scratch / "missing/file"));
}

TEST(RecordFileTest, AFullDiskLeavesNoTornRecordAndLosesNone) {
  const ScratchDirectory scratch;
  SmallDisk disk(7);
  auto file = *RecordFile::Open(scratch / "file", disk.Options());
  ASSERT_TRUE(file->Append("one\n").ok());
  const absl::Status full = file->Append("two\n");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr(scratch / "file"));
  EXPECT_EQ(ReadText(scratch / "file"), "one\n");
  EXPECT_FALSE(file->Append("three\n").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "one\n");

  disk.SetFree(1000);
  ASSERT_TRUE(file->Append("four\n").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(file->lost_records(), 0);
}

TEST(RecordFileTest, AnEmptyAppendTriesPendingRecordsAgain) {
  const ScratchDirectory scratch;
  SmallDisk disk(0);
  auto file = *RecordFile::Open(scratch / "file", disk.Options());
  EXPECT_FALSE(file->Append("one\n").ok());
  disk.SetFree(1000);
  ASSERT_TRUE(file->Append("").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "one\n");
}

TEST(RecordFileTest, PendingRecordsAreBoundedAndTheOldestGoFirst) {
  const ScratchDirectory scratch;
  SmallDisk disk(2);
  RecordFileOptions options = disk.Options();
  options.max_pending_bytes = 10;
  auto file = *RecordFile::Open(scratch / "file", options);
  for (const std::string record : {"aaa\n", "bbb\n", "ccc\n", "ddd\n"}) {
    disk.SetFree(2);
    EXPECT_FALSE(file->Append(record).ok());
  }
  EXPECT_EQ(file->lost_records(), 2);
  disk.SetFree(1000);
  ASSERT_TRUE(file->Append("eee\n").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "ccc\nddd\neee\n");
}

TEST(RecordFileTest, ARecordBeyondTheBoundIsWrittenWhereThereIsRoom) {
  const ScratchDirectory scratch;
  RecordFileOptions options;
  options.max_pending_bytes = 2;
  auto file = *RecordFile::Open(scratch / "file", options);
  ASSERT_TRUE(file->Append("larger than the bound\n").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "larger than the bound\n");
  EXPECT_EQ(file->lost_records(), 0);
}

TEST(RecordFileTest, ShortAndInterruptedWritesAreContinued) {
  const ScratchDirectory scratch;
  int calls = 0;
  RecordFileOptions options;
  options.write = [&calls](int fd, const void* data, size_t size) -> ssize_t {
    if (++calls % 2 == 1) {
      errno = EINTR;
      return -1;
    }
    return ::write(fd, data, std::min<size_t>(size, 3));
  };
  auto file = *RecordFile::Open(scratch / "file", options);
  ASSERT_TRUE(file->Append("a longer record\n").ok());
  EXPECT_EQ(ReadText(scratch / "file"), "a longer record\n");
}

TEST(RecordFileTest, ReportsTheSystemsFullDevice) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "this system has no /dev/full";
  auto file = *RecordFile::Open("/dev/full", {});
  EXPECT_EQ(file->Append("one\n").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(file->size(), 0);
}

}  // namespace
}  // namespace tpo

#include "core/file_system.h"

#include "tests/core/core_test_support.h"
#include "tests/core/faulty_file_system.h"
#include "tests/core/scratch_directory.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileSystemTest : public testing::Test {
 protected:
  FileSystem* const files_ = FileSystem::Posix();
  ScratchDirectory scratch_;
};

TEST_F(FileSystemTest, WritesPiecesAndReadsThemBack) {
  const std::string path = scratch_ / "f";
  ASSERT_TRUE(files_->WriteFile(path, {"one", std::string_view("\0two", 4), ""}).ok());
  EXPECT_EQ(*files_->ReadFile(path), std::string("one\0two", 7));
  ASSERT_TRUE(files_->WriteFile(path, {}).ok());
  EXPECT_EQ(*files_->ReadFile(path), "") << "an old file is truncated";
}

TEST_F(FileSystemTest, ReadsLargeFilesWhole) {
  std::string large(3'000'001, 'x');
  large[2'999'999] = 'y';
  ASSERT_TRUE(files_->WriteFile(scratch_ / "f", {large}).ok());
  EXPECT_TRUE(*files_->ReadFile(scratch_ / "f") == large);
}

TEST_F(FileSystemTest, ErrorsNameThePath) {
  const std::string missing = scratch_ / "missing/f";
  EXPECT_THAT(files_->ReadFile(missing), HoldsStatus(absl::StatusCode::kNotFound, missing));
  EXPECT_THAT(files_->WriteFile(missing, {"x"}), IsStatus(absl::StatusCode::kNotFound, missing));
  EXPECT_THAT(files_->List(missing), HoldsStatus(absl::StatusCode::kNotFound, missing));
  EXPECT_THAT(files_->Rename(missing, scratch_ / "f"),
              IsStatus(absl::StatusCode::kNotFound, missing));
  EXPECT_THAT(files_->RemoveFile(missing), IsStatus(absl::StatusCode::kNotFound, missing));
  EXPECT_THAT(files_->SyncDirectory(missing), IsStatus(absl::StatusCode::kNotFound, missing));
}

TEST_F(FileSystemTest, CreatesFoldersWithTheirParents) {
  const std::string deep = scratch_ / "a/b/c";
  ASSERT_TRUE(files_->CreateDirectory(deep).ok());
  EXPECT_TRUE(files_->CreateDirectory(deep).ok()) << "again is fine";
  EXPECT_TRUE(files_->SyncDirectory(deep).ok());
  ASSERT_TRUE(files_->WriteFile(scratch_ / "file", {"x"}).ok());
  EXPECT_THAT(files_->CreateDirectory(scratch_ / "file"),
              IsStatus(absl::StatusCode::kAlreadyExists, "file"));
}

TEST_F(FileSystemTest, ListsRenamesAndRemoves) {
  for (const char* name : {"b", "a"}) {
    ASSERT_TRUE(files_->WriteFile(scratch_ / name, {name}).ok());
  }
  EXPECT_THAT(*files_->List(scratch_.path()), ElementsAre("a", "b"));
  ASSERT_TRUE(files_->Rename(scratch_ / "a", scratch_ / "b").ok());
  EXPECT_EQ(*files_->ReadFile(scratch_ / "b"), "a");
  ASSERT_TRUE(files_->RemoveFile(scratch_ / "b").ok());
  ASSERT_TRUE(files_->CreateDirectory(scratch_ / "d").ok());
  ASSERT_TRUE(files_->RemoveDirectory(scratch_ / "d").ok());
  EXPECT_THAT(*files_->List(scratch_.path()), ElementsAre());
}

TEST_F(FileSystemTest, ACrashLeavesTheOldFileOrTheNewOne) {
  const std::string path = scratch_ / "f";
  for (int changes = 0;; ++changes) {
    ASSERT_TRUE(WriteFileAtomically(files_, path, "old content").ok());
    FaultyFileSystem faulty = FaultyFileSystem::CrashingAfter(changes);
    const absl::Status status = WriteFileAtomically(&faulty, path, "new content");
    const std::string found = *files_->ReadFile(path);
    EXPECT_TRUE(found == "old content" || found == "new content") << changes << ": " << found;
    if (!faulty.faulted()) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(found, "new content");
      EXPECT_GE(changes, 3);
      break;
    }
    EXPECT_FALSE(status.ok()) << changes;
  }
}

TEST_F(FileSystemTest, AFullDiskKeepsTheOldFileAndLeavesNoRest) {
  const std::string path = scratch_ / "f";
  ASSERT_TRUE(WriteFileAtomically(files_, path, "old").ok());
  FaultyFileSystem full =
      FaultyFileSystem::FailingAt(1, absl::ErrnoToStatus(ENOSPC, "cannot write"));
  EXPECT_THAT(WriteFileAtomically(&full, path, "new"),
              IsStatus(absl::StatusCode::kResourceExhausted, "No space left"));
  EXPECT_EQ(*files_->ReadFile(path), "old");
  EXPECT_THAT(*files_->List(scratch_.path()), ElementsAre("f"));
}

}  // namespace
}  // namespace tpo

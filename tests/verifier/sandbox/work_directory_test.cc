#include "verifier/sandbox/helper/work_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/core/scratch_directory.h"

namespace tpo {
namespace {

namespace fs = std::filesystem;

class WorkDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = MakeWorkDirectory(scratch_.path(), geteuid(), getegid());
    ASSERT_NE(path_, "");
  }
  const ScratchDirectory scratch_;
  std::string path_;
};

TEST_F(WorkDirectoryTest, IsForItsUserAlone) {
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_TRUE(RemoveWorkDirectory(path_));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(RemoveWorkDirectory(path_));
}

TEST_F(WorkDirectoryTest, LinksAreRemovedNotFollowed) {
  const std::string outside = scratch_ / "outside";
  fs::create_directory(outside);
  std::ofstream(outside + "/precious") << "x";
  chmod((outside + "/precious").c_str(), 0640);
  fs::create_directory(path_ + "/folder");
  for (const char* link : {"/a", "/folder/b"}) {
    fs::create_symlink(outside, path_ + link);
    fs::create_symlink(outside + "/precious", path_ + link + "file");
    fs::create_symlink("nowhere", path_ + link + "dangling");
    fs::create_symlink(".", path_ + link + "self");
    fs::create_symlink("..", path_ + link + "above");
  }
  EXPECT_TRUE(RemoveWorkDirectory(path_));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(fs::exists(outside + "/precious"));
  EXPECT_EQ(fs::status(outside + "/precious").permissions(), static_cast<fs::perms>(0640));
}

TEST_F(WorkDirectoryTest, DeepWideAndClosedTreesAreRemoved) {
  const fs::path before = fs::current_path();
  fs::current_path(path_);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(mkdir("d", 0700), 0);
    ASSERT_EQ(chdir("d"), 0);
  }
  fs::current_path(before);
  for (int i = 0; i < 5000; ++i) std::ofstream(path_ + "/file" + std::to_string(i)) << "x";
  for (int i = 0; i < 20; ++i) fs::create_directories(path_ + "/wide/" + std::to_string(i) + "/x");
  ASSERT_EQ(chmod((path_ + "/wide/3").c_str(), 0), 0);
  ASSERT_EQ(chmod((path_ + "/wide").c_str(), 0500), 0);
  EXPECT_TRUE(RemoveWorkDirectory(path_));
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace tpo

// The process dies at each system call of a save in turn, of a write with half of it written.
//
// The functions of the C library that core/file_system.cc calls are defined here, so that they can
// end the process: a child that saves. What the system itself loses with its power is another
// test's (tests/simulation).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "learner/checkpoint.h"
#include "tests/core/scratch_directory.h"
#include "tests/learner/checkpoint_data.h"

namespace {

constexpr int kDied = 77;
// Calls that still take place; negative: all.
int calls_left = -1;

bool DiesNow() { return calls_left >= 0 && calls_left-- == 0; }

template <typename... Arguments>
int Call(long number, Arguments... arguments) {
  if (DiesNow()) _exit(kDied);
  return static_cast<int>(syscall(number, arguments...));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return Call(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t write(int file, const void* data, size_t size) {
  const bool dies = DiesNow();
  const ssize_t written = syscall(SYS_write, file, data, dies ? size / 2 : size);
  if (dies) _exit(kDied);
  return written;
}

int fsync(int file) { return Call(SYS_fsync, file); }
int close(int file) { return Call(SYS_close, file); }
int mkdir(const char* path, mode_t mode) noexcept {
  return Call(SYS_mkdirat, AT_FDCWD, path, mode);
}
int unlink(const char* path) noexcept { return Call(SYS_unlinkat, AT_FDCWD, path, 0); }
int rmdir(const char* path) noexcept { return Call(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
int rename(const char* from, const char* to) noexcept {
  return Call(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

}  // extern "C"

namespace tpo {
namespace {

// A state of the run, or of another course of it.
struct State {
  int64_t step = 0;
  bool another_course = false;

  CheckpointData data() const {
    CheckpointData data = DataOf(step);
    data.optimizer.bytes()[1] = std::byte(another_course);
    return data;
  }
  bool Is(const CheckpointData& other) const {
    return other.step == step && other.optimizer.bytes() == data().optimizer.bytes();
  }
};

struct Scenario {
  const char* name = nullptr;
  int keep = 1;
  std::vector<State> before;
  State saved;
};

class CheckpointCrashTest : public testing::TestWithParam<Scenario> {
 protected:
  CheckpointStore Open() {
    return CheckpointStore::Open(directory(), FileSystem::Posix(), GetParam().keep).value();
  }
  std::string directory() const { return scratch_ / "checkpoints"; }

  void Prepare() {
    std::filesystem::remove_all(directory());
    CheckpointStore store = Open();
    for (const State& state : GetParam().before) ASSERT_TRUE(store.Save(state.data()).ok());
  }

  // Saves in a child for which `calls` calls take place. Whether it died of the next one.
  bool DiesSavingAfter(int calls) {
    const pid_t child = fork();
    if (child == 0) {
      calls_left = calls;
      auto store = CheckpointStore::Open(directory(), FileSystem::Posix(), GetParam().keep);
      const bool saved = store.ok() && store->Save(GetParam().saved.data()).ok();
      _exit(saved ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kDied) << WEXITSTATUS(status);
    return WEXITSTATUS(status) == kDied;
  }

  ScratchDirectory scratch_;
};

TEST_P(CheckpointCrashTest, LeavesACheckpointFromBeforeOrTheNewOne) {
  const Scenario& scenario = GetParam();
  bool died = true;
  bool was_new = false;
  int calls = 0;
  for (; died && !HasFailure(); ++calls) {
    SCOPED_TRACE(calls);
    Prepare();
    died = DiesSavingAfter(calls);
    CheckpointStore store = Open();
    const auto loaded = store.LoadNewest();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_EQ(loaded->has_value() || scenario.before.empty(), true);
    bool is_new = false;
    if (loaded->has_value()) {
      EXPECT_EQ((*loaded)->passed_over, 0) << (*loaded)->warning;
      const CheckpointData& data = (*loaded)->data;
      is_new = scenario.saved.Is(data);
      const State* same = is_new ? &scenario.saved : nullptr;
      for (const State& before : scenario.before)
        if (before.Is(data)) same = &before;
      ASSERT_NE(same, nullptr) << "a state that nobody saved";
      ExpectEqual(data, same->data());
    }
    EXPECT_TRUE(is_new || !was_new) << "what had been published is gone";
    was_new = is_new;
    const std::vector<std::string> names = *FileSystem::Posix()->List(directory());
    for (const std::string& name : names) EXPECT_EQ(name.rfind("step_", 0), 0) << name;
    ASSERT_TRUE(store.Save(DataOf(9)).ok()) << "the run goes on";
    EXPECT_TRUE(store.Load(9).ok());
  }
  EXPECT_TRUE(was_new) << "the save that wasn't disturbed";
  // Four files of a checkpoint: each is opened, written, synced and closed.
  EXPECT_GT(calls, 16);
}

INSTANTIATE_TEST_SUITE_P(
    Saves, CheckpointCrashTest,
    testing::Values(
        Scenario{.name = "TheFirst", .keep = 3, .before = {}, .saved = {1}},
        Scenario{.name = "InPlaceOfAnother", .keep = 1, .before = {{1}}, .saved = {2}},
        Scenario{.name = "OneMoreThanAreKept", .keep = 2, .before = {{1}, {2}}, .saved = {3}},
        Scenario{.name = "OfAStepOfACourseThatWasGivenUp",
                 .keep = 3,
                 .before = {{1}, {2, true}, {3, true}},
                 .saved = {2}}),
    [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace tpo

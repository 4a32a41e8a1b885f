#include "learner/checkpoint.h"

#include <filesystem>
#include <fstream>

#include "tests/core/core_test_support.h"
#include "tests/core/faulty_file_system.h"
#include "tests/core/scratch_directory.h"
#include "tests/learner/checkpoint_data.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointStore Open(int keep, FileSystem* files = FileSystem::Posix()) {
    auto store = CheckpointStore::Open(directory(), files, keep);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::string directory() const { return scratch_ / "checkpoints"; }

  void MustSave(CheckpointStore& store, int64_t step) {
    const auto path = store.Save(DataOf(step));
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_TRUE(std::filesystem::exists(*path + "/manifest.json")) << *path;
  }
  // The newest, which has to be there and equal what was saved; -1 on failure.
  int64_t NewestStep(const CheckpointStore& store) {
    const auto loaded = store.LoadNewest();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    if (!loaded.ok() || !loaded->has_value()) return -1;
    ExpectEqual((*loaded)->data, DataOf((*loaded)->data.step));
    EXPECT_THAT((*loaded)->warning, IsEmpty());
    EXPECT_EQ((*loaded)->passed_over, 0);
    return (*loaded)->data.step;
  }
  std::vector<std::string> Names() { return *FileSystem::Posix()->List(directory()); }

  ScratchDirectory scratch_;
};

TEST_F(CheckpointTest, ANewDirectoryHoldsNone) {
  const CheckpointStore store = Open(3);
  const auto loaded = store.LoadNewest();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->has_value());
  EXPECT_THAT(store.Load(1), HoldsStatus(absl::StatusCode::kNotFound, "step 1 "));
}

TEST_F(CheckpointTest, ComesBackEqual) {
  CheckpointStore store = Open(3);
  EXPECT_EQ(*store.Save(DataOf(100)), directory() + "/step_00000100");
  const auto loaded = Open(3).Load(100);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ExpectEqual(loaded->data, DataOf(100));
  EXPECT_EQ(loaded->path, directory() + "/step_00000100");
}

// The same state, its tensors as views.
CheckpointData InPlace(const CheckpointData& data) {
  const auto views_of = [](const TensorBundle& bundle) {
    std::vector<SafetensorsView> views;
    for (const TensorSpec& spec : bundle.tensors()) {
      const absl::Span<const std::byte> bytes = bundle.bytes(spec);
      views.push_back({spec, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
    }
    return views;
  };
  CheckpointData in_place = DataOf(data.step);
  in_place.model = nullptr;
  in_place.optimizer = TensorBundle();
  in_place.in_place = std::make_shared<const TensorsInPlace>(
      TensorsInPlace{views_of(*data.model), views_of(data.optimizer), nullptr});
  return in_place;
}

TEST_F(CheckpointTest, TensorsWrittenFromWhereTheyAreComeBackEqual) {
  CheckpointStore store = Open(3);
  const CheckpointData data = DataOf(100);
  ASSERT_TRUE(store.Save(InPlace(data)).ok());
  const auto loaded = Open(3).Load(100);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ExpectEqual(loaded->data, data);

  // Those of the same step are compared all the same.
  const std::string link = scratch_ / "link";
  const std::string file = directory() + "/step_00000100/state.json";
  std::filesystem::create_hard_link(file, link);
  ASSERT_TRUE(store.Save(InPlace(data)).ok());
  EXPECT_TRUE(std::filesystem::equivalent(file, link)) << "the same state isn't written anew";
  CheckpointData other = DataOf(100);
  other.optimizer.bytes()[1] = std::byte(1);
  ASSERT_TRUE(store.Save(InPlace(other)).ok());
  EXPECT_FALSE(std::filesystem::equivalent(file, link)) << "another state is";
  ExpectEqual(Open(3).Load(100)->data, other);
}

TEST_F(CheckpointTest, KeepsTheNewest) {
  CheckpointStore store = Open(2);
  for (const int64_t step : {0, 5, 20, 100'000'000}) MustSave(store, step);
  EXPECT_THAT(*store.Steps(), ElementsAre(20, 100'000'000));
  EXPECT_EQ(NewestStep(store), 100'000'000);
  EXPECT_THAT(store.Load(5), HoldsStatus(absl::StatusCode::kNotFound, "step 5 "));
}

TEST_F(CheckpointTest, SavingTheSameStepAgainChangesNothing) {
  CheckpointStore store = Open(2);
  MustSave(store, 5);
  // A file that was written anew would be another one.
  const std::string link = scratch_ / "link";
  std::filesystem::create_hard_link(directory() + "/step_00000005/state.json", link);
  MustSave(store, 5);
  EXPECT_THAT(Names(), ElementsAre("step_00000005"));
  EXPECT_TRUE(std::filesystem::equivalent(directory() + "/step_00000005/state.json", link));
  EXPECT_EQ(NewestStep(store), 5);
}

TEST_F(CheckpointTest, SavingAgainMakesANameDurableThatMayNotBe) {
  CheckpointStore before = Open(2);
  MustSave(before, 1);
  // Changes 1 and 2 are Open's, 3 makes the folder, 4 to 7 write its files, 8 syncs it, 9 renames
  // it.
  FaultyFileSystem failing = FaultyFileSystem::FailingAt(10, absl::ErrnoToStatus(EIO, "sync"));
  CheckpointStore store = Open(2, &failing);
  EXPECT_FALSE(store.Save(DataOf(2)).ok());
  EXPECT_EQ(NewestStep(store), 2) << "it is there";
  const int changes = failing.changes();
  MustSave(store, 2);
  EXPECT_EQ(failing.changes(), changes + 1) << "a sync, and nothing else";
}

// A checkpoint that couldn't be read when the run was resumed from the one before, and that can be
// read again when the run comes to its step on another course.
TEST_F(CheckpointTest, OneOfACourseThatWasGivenUpGivesWay) {
  CheckpointData abandoned = DataOf(2);
  abandoned.model = DataOf(77).model;
  bool died = true;
  bool found_new = false;
  for (int changes = 0; died; ++changes) {
    std::filesystem::remove_all(directory());
    CheckpointStore before = Open(2);
    MustSave(before, 1);
    ASSERT_TRUE(before.Save(abandoned).ok());
    FaultyFileSystem dying = FaultyFileSystem::CrashingAfter(changes);
    bool saved = false;
    if (auto store = CheckpointStore::Open(directory(), &dying, 2); store.ok()) {
      saved = store->Save(DataOf(2)).ok();
    }
    died = dying.faulted();

    const auto loaded = Open(2).LoadNewest();
    ASSERT_TRUE(loaded.ok() && loaded->has_value()) << loaded.status();
    const CheckpointData& data = (*loaded)->data;
    const bool is_abandoned = data.step == 2 && data.model->bytes() == abandoned.model->bytes();
    if (!is_abandoned) ExpectEqual(data, DataOf(data.step));
    EXPECT_TRUE(!saved || (data.step == 2 && !is_abandoned)) << "what was saved is there";
    found_new |= data.step == 2 && !is_abandoned;
  }
  EXPECT_TRUE(found_new);
}

TEST_F(CheckpointTest, GoingBackGivesUpLaterCheckpoints) {
  CheckpointStore store = Open(3);
  for (const int64_t step : {10, 20, 30}) MustSave(store, step);
  MustSave(store, 15);  // the run was resumed from 10
  EXPECT_THAT(*store.Steps(), ElementsAre(10, 15));
}

TEST_F(CheckpointTest, ForeignFilesAreLeftAlone) {
  CheckpointStore store = Open(1);
  for (const char* name : {"notes.txt", "step_12", "step_00000007.old"}) {
    ASSERT_TRUE(FileSystem::Posix()->WriteFile(directory() + "/" + name, {"x"}).ok());
  }
  MustSave(store, 1);
  MustSave(store, 2);
  EXPECT_THAT(Names(), ElementsAre("notes.txt", "step_00000002", "step_00000007.old", "step_12"));
  EXPECT_EQ(NewestStep(store), 2);
}

// Dies after each of the changes that saving makes, with the strictest choice of `keep`.
TEST_F(CheckpointTest, ACrashLeavesTheOldCheckpointOrTheNewOne) {
  int changes = 0;
  bool died = true;
  bool found_old = false;
  bool found_new = false;
  for (; died; ++changes) {
    std::filesystem::remove_all(directory());
    CheckpointStore before = Open(1);
    MustSave(before, 1);
    FaultyFileSystem dying = FaultyFileSystem::CrashingAfter(changes);
    if (auto store = CheckpointStore::Open(directory(), &dying, 1); store.ok()) {
      const bool saved = store->Save(DataOf(2)).ok();
      EXPECT_TRUE(!saved || NewestStep(*store) == 2) << "what was reported as saved is there";
    }
    died = dying.faulted();

    CheckpointStore after = Open(1);
    const int64_t step = NewestStep(after);
    EXPECT_TRUE(step == 1 || step == 2) << "after " << changes << " changes";
    found_old |= step == 1;
    found_new |= step == 2;
    for (const std::string& name : Names()) EXPECT_THAT(name, testing::StartsWith("step_"));
    MustSave(after, 3);
    EXPECT_EQ(NewestStep(after), 3) << "and the run goes on";
  }
  EXPECT_GT(changes, 8);
  EXPECT_TRUE(found_old && found_new);
}

TEST_F(CheckpointTest, AFailureOfAnyOperationKeepsWhatThereIs) {
  const absl::Status full = absl::ErrnoToStatus(ENOSPC, "cannot write");
  for (int change = 1;; ++change) {
    std::filesystem::remove_all(directory());
    CheckpointStore before = Open(1);
    MustSave(before, 1);
    FaultyFileSystem faulty = FaultyFileSystem::FailingAt(change, full);
    auto store = CheckpointStore::Open(directory(), &faulty, 1);
    if (store.ok()) {
      const auto saved = store->Save(DataOf(2));
      const int64_t newest = NewestStep(*store);
      if (saved.ok()) {
        EXPECT_EQ(newest, 2);
      } else {
        EXPECT_THAT(saved, HoldsStatus(absl::StatusCode::kResourceExhausted, "No space left"));
        EXPECT_TRUE(newest == 1 || newest == 2) << newest;
      }
      if (!faulty.faulted()) break;
      MustSave(*store, 3);
      EXPECT_EQ(NewestStep(*store), 3) << "the next one succeeds, change " << change;
    }
  }
}

TEST_F(CheckpointTest, AFullDiskLeavesNoRestBehind) {
  CheckpointStore before = Open(2);
  MustSave(before, 1);
  // Changes 1 and 2 are Open's, 3 makes the folder, 4 writes the model.
  FaultyFileSystem full = FaultyFileSystem::FailingAt(4, absl::ResourceExhaustedError("no space"));
  CheckpointStore store = Open(2, &full);
  EXPECT_THAT(store.Save(DataOf(2)), HoldsStatus(absl::StatusCode::kResourceExhausted, "no space"));
  EXPECT_THAT(Names(), ElementsAre("step_00000001"));
}

// Damages one file of the newest of two checkpoints in some way.
struct Damage {
  const char* name;
  const char* file;
  void (*apply)(const std::string& path);
};

void CutLastByte(const std::string& path) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
}
void Empty(const std::string& path) { std::filesystem::resize_file(path, 0); }
void Remove(const std::string& path) { std::filesystem::remove(path); }
void FlipABit(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(middle);
  file.put(byte);
}

class DamagedCheckpointTest : public CheckpointTest, public testing::WithParamInterface<Damage> {
 protected:
  void SetUp() override {
    CheckpointStore store = Open(3);
    MustSave(store, 10);
    MustSave(store, 20);
    file_ = directory() + "/step_00000020/" + GetParam().file;
    GetParam().apply(file_);
  }
  std::string file_;
};

TEST_P(DamagedCheckpointTest, IsReportedByFileAndPassedOver) {
  const CheckpointStore store = Open(3);
  EXPECT_THAT(store.Load(20), HoldsStatus(absl::StatusCode::kDataLoss, "step_00000020/"));
  if (std::string(GetParam().file) != "manifest.json") {
    EXPECT_THAT(store.Load(20), HoldsStatus(absl::StatusCode::kDataLoss, file_));
  }
  const auto loaded = store.LoadNewest();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(loaded->has_value());
  EXPECT_EQ((*loaded)->data.step, 10);
  EXPECT_THAT((*loaded)->warning, HasSubstr("step_00000020/"));
  EXPECT_THAT((*loaded)->warning, HasSubstr("going back to step 10"));
  EXPECT_EQ((*loaded)->passed_over, 1);
}

TEST_P(DamagedCheckpointTest, AloneIsAnErrorNotAFreshStart) {
  std::filesystem::remove_all(directory() + "/step_00000010");
  EXPECT_THAT(Open(3).LoadNewest(),
              HoldsStatus(absl::StatusCode::kDataLoss, "no sound checkpoint"));
}

TEST_P(DamagedCheckpointTest, IsReplacedWhenItsStepIsSavedAgain) {
  CheckpointStore store = Open(3);
  MustSave(store, 20);
  EXPECT_EQ(NewestStep(store), 20);
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedCheckpointTest,
    testing::Values(Damage{"ModelCut", "model.safetensors", CutLastByte},
                    Damage{"ModelFlipped", "model.safetensors", FlipABit},
                    Damage{"ModelMissing", "model.safetensors", Remove},
                    Damage{"OptimizerCut", "optimizer.safetensors", CutLastByte},
                    Damage{"OptimizerFlipped", "optimizer.safetensors", FlipABit},
                    Damage{"OptimizerMissing", "optimizer.safetensors", Remove},
                    Damage{"StateCut", "state.json", CutLastByte},
                    Damage{"StateFlipped", "state.json", FlipABit},
                    Damage{"StateMissing", "state.json", Remove},
                    Damage{"ManifestEmpty", "manifest.json", Empty},
                    Damage{"ManifestFlipped", "manifest.json", FlipABit},
                    Damage{"ManifestMissing", "manifest.json", Remove}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace tpo

#include "services/grpc/weight_assembler.h"

#include <unistd.h>

#include <fstream>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

WeightManifest ManifestOf(const WeightSnapshot& snapshot) {
  return {.version = snapshot.version,
          .tensors = snapshot.weights.tensors(),
          .size_bytes = snapshot.weights.bytes().size(),
          .crc32c = snapshot.crc32c};
}

// One tensor of 128 bytes.
std::shared_ptr<const WeightSnapshot> BigSnapshot(WeightVersion version) {
  return WeightSnapshot::Create(
      version, MakeBundle(std::vector<float>(32, static_cast<float>(version) + 0.5F)));
}

class WeightAssemblerTest : public testing::Test {
 protected:
  absl::Status Add(const WeightSnapshot& snapshot, uint64_t offset, uint64_t size) {
    return assembler_.Add(snapshot.version, offset, snapshot.weights.bytes().subspan(offset, size));
  }

  const std::shared_ptr<const WeightSnapshot> five_ = BigSnapshot(5);
  WeightAssembler assembler_;
};

TEST_F(WeightAssemblerTest, PutsFramesTogether) {
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  EXPECT_FALSE(assembler_.complete());
  ASSERT_TRUE(Add(*five_, 0, 100).ok());
  EXPECT_FALSE(assembler_.complete());
  ASSERT_TRUE(Add(*five_, 100, 28).ok());
  ASSERT_TRUE(assembler_.complete());
  const auto snapshot = assembler_.Take().value();
  EXPECT_EQ(snapshot->version, 5);
  EXPECT_EQ(snapshot->crc32c, five_->crc32c);
  EXPECT_EQ(snapshot->weights.bytes(), five_->weights.bytes());
  EXPECT_TRUE(snapshot->weights.VerifyChecksums().ok());
  EXPECT_EQ(assembler_.held_bytes(), 0);
}

TEST_F(WeightAssemblerTest, ASnapshotWithoutBytesIsCompleteAtOnce) {
  const auto empty = WeightSnapshot::Create(1, TensorBundle());
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*empty), -1).ok());
  ASSERT_TRUE(assembler_.complete());
  EXPECT_EQ(assembler_.Take().value()->version, 1);
}

TEST_F(WeightAssemblerTest, GoesOnWhenTheSameVersionBeginsAgain) {
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  ASSERT_TRUE(Add(*five_, 0, 64).ok());
  EXPECT_EQ(assembler_.held_version(), 5);
  EXPECT_EQ(assembler_.held_bytes(), 64);
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  ASSERT_TRUE(Add(*five_, 64, 64).ok());
  EXPECT_TRUE(assembler_.Take().ok());
}

// A learner that restarted may publish other bytes under the same number.
TEST_F(WeightAssemblerTest, BeginsAnewWhenTheSameVersionHasOtherBytes) {
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  ASSERT_TRUE(Add(*five_, 0, 64).ok());
  const auto other = WeightSnapshot::Create(5, MakeBundle(std::vector<float>(32, 9.0F)));
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*other), -1).ok());
  EXPECT_EQ(assembler_.held_bytes(), 0);
  EXPECT_THAT(Add(*other, 64, 64),
              IsStatus(absl::StatusCode::kInvalidArgument, "offset_bytes: 64, expected 0"));
}

TEST_F(WeightAssemblerTest, ForgetsAnUnfinishedVersionForTheNext) {
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  ASSERT_TRUE(Add(*five_, 0, 64).ok());
  const auto six = BigSnapshot(6);
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*six), -1).ok());
  ASSERT_TRUE(Add(*six, 0, 128).ok());
  EXPECT_EQ(assembler_.Take().value()->weights.bytes(), six->weights.bytes());
}

TEST_F(WeightAssemblerTest, RefusesVersionsThatGoBackwards) {
  EXPECT_THAT(assembler_.Begin(ManifestOf(*five_), 5),
              IsStatus(absl::StatusCode::kInvalidArgument, "isn't above"));
  EXPECT_THAT(assembler_.Begin(ManifestOf(*five_), 6),
              IsStatus(absl::StatusCode::kInvalidArgument, "isn't above"));
}

TEST_F(WeightAssemblerTest, RefusesFramesThatDoNotFit) {
  EXPECT_THAT(Add(*five_, 0, 8),
              IsStatus(absl::StatusCode::kInvalidArgument, "before any manifest"));
  const auto expect_refused = [&](WeightVersion version, uint64_t offset, size_t size,
                                  const char* field) {
    ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
    ASSERT_TRUE(Add(*five_, 0, 64).ok());
    const std::vector<std::byte> data(size);
    EXPECT_THAT(assembler_.Add(version, offset, data),
                IsStatus(absl::StatusCode::kInvalidArgument, field));
    EXPECT_EQ(assembler_.held_bytes(), 0);
  };
  expect_refused(5, 65, 8, "offset_bytes");
  expect_refused(5, 63, 8, "offset_bytes");
  expect_refused(6, 64, 8, "weight_version");
  expect_refused(5, 64, 65, "data");
}

TEST_F(WeightAssemblerTest, LetsNothingOutWhoseChecksumDoesNotHold) {
  ASSERT_TRUE(assembler_.Begin(ManifestOf(*five_), -1).ok());
  const std::vector<std::byte> zeros(128);
  ASSERT_TRUE(assembler_.Add(5, 0, zeros).ok());
  ASSERT_TRUE(assembler_.complete());
  EXPECT_THAT(assembler_.Take(), HoldsStatus(absl::StatusCode::kDataLoss, "version 5"));
  EXPECT_EQ(assembler_.held_bytes(), 0);
}

TEST_F(WeightAssemblerTest, RefusesLayoutsThatCannotBe) {
  WeightManifest manifest = ManifestOf(*five_);
  manifest.size_bytes = uint64_t{1} << 60;
  EXPECT_THAT(assembler_.Begin(manifest, -1), IsStatus(absl::StatusCode::kInvalidArgument, ""));
}

// Resident memory of this process.
uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST_F(WeightAssemblerTest, AManifestTakesNoMemoryForBytesThatHaveNotCome) {
  constexpr uint64_t kSize = uint64_t{512} << 20;
  WeightManifest manifest = ManifestOf(*five_);
  manifest.tensors[0].shape = {static_cast<int64_t>(kSize / sizeof(float))};
  manifest.tensors[0].size_bytes = manifest.size_bytes = kSize;
  const uint64_t before = ResidentBytes();
  ASSERT_TRUE(assembler_.Begin(manifest, -1).ok());
  ASSERT_TRUE(assembler_.Add(5, 0, five_->weights.bytes()).ok());
  // Some for a sanitizer's shadow.
  EXPECT_LT(ResidentBytes(), before + kSize / 4);
}

}  // namespace
}  // namespace tpo

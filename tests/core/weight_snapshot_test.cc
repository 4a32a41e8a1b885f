#include "core/weight_snapshot.h"

#include <cstring>
#include <limits>

#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TensorBundle TwoTensors() {
  auto bundle = TensorBundle::Create(
      {Tensor("a", TensorType::kFloat32, {2, 3}), Tensor("b", TensorType::kBfloat16, {5})});
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  return *std::move(bundle);
}

TEST(TensorBundleTest, LaysTensorsOutAlignedAndZeroed) {
  TensorBundle bundle = TwoTensors();
  EXPECT_EQ(bundle.tensors()[0].offset_bytes, 0);
  EXPECT_EQ(bundle.tensors()[0].size_bytes, 24);
  EXPECT_EQ(bundle.tensors()[1].offset_bytes, 64);
  EXPECT_EQ(bundle.tensors()[1].size_bytes, 10);
  EXPECT_EQ(bundle.bytes().size(), 128);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bundle.bytes().data()) % 64, 0);
  for (const std::byte byte : bundle.bytes()) EXPECT_EQ(byte, std::byte{0});
}

TEST(TensorBundleTest, BytesOfATensorArePartOfAllBytes) {
  TensorBundle bundle = TwoTensors();
  const TensorSpec* b = bundle.Find("b");
  ASSERT_NE(b, nullptr);
  bundle.bytes(*b)[9] = std::byte{7};
  EXPECT_EQ(bundle.bytes()[64 + 9], std::byte{7});
  EXPECT_EQ(bundle.Find("c"), nullptr);
}

TEST(TensorBundleTest, HoldsScalarsEmptyTensorsAndNothing) {
  auto bundle = TensorBundle::Create({Tensor("scalar", TensorType::kInt64, {}),
                                      Tensor("empty", TensorType::kFloat32, {4, 0}),
                                      Tensor("last", TensorType::kFloat16, {1})});
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_EQ(bundle->Find("scalar")->size_bytes, 8);
  EXPECT_EQ(bundle->bytes(*bundle->Find("empty")).size(), 0);
  bundle->Seal();
  EXPECT_TRUE(bundle->VerifyChecksums().ok());

  auto nothing = TensorBundle::Create({});
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->bytes().empty());
}

TEST(TensorBundleTest, RefusesWhatItCannotLayOut) {
  EXPECT_THAT(TensorBundle::Create(
                  {Tensor("x", TensorType::kFloat32, {1}), Tensor("x", TensorType::kFloat32, {1})}),
              HoldsStatus(kInvalid, "'x' occurs twice"));
  EXPECT_THAT(TensorBundle::Create({Tensor("x", TensorType::kUnspecified, {1})}),
              HoldsStatus(kInvalid, "'x' has an unspecified type"));
  EXPECT_THAT(TensorBundle::Create({Tensor("x", TensorType::kFloat32, {2, -1})}),
              HoldsStatus(kInvalid, "negative extent -1"));
  const int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(TensorBundle::Create({Tensor("x", TensorType::kFloat32, {huge, huge})}),
              HoldsStatus(kInvalid, "'x' is larger than any memory"));
}

TEST(TensorBundleTest, FindsTheDamagedTensor) {
  TensorBundle bundle = TwoTensors();
  bundle.Seal();
  EXPECT_TRUE(bundle.VerifyChecksums().ok());
  bundle.bytes(bundle.tensors()[1])[3] ^= std::byte{1};
  EXPECT_THAT(bundle.VerifyChecksums(), IsStatus(absl::StatusCode::kDataLoss, "'b'"));
}

// Each change makes a good manifest bad in one way.
class ValidateManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    const TensorBundle bundle = TwoTensors();
    tensors_ = bundle.tensors();
    size_bytes_ = bundle.bytes().size();
  }

  std::vector<TensorSpec> tensors_;
  uint64_t size_bytes_ = 0;
};

TEST_F(ValidateManifestTest, TakesWhatCreateLaidOut) {
  EXPECT_TRUE(ValidateManifest(tensors_, size_bytes_).ok());
  EXPECT_TRUE(TensorBundle::CreateWithLayout(tensors_, size_bytes_).ok());
}

TEST_F(ValidateManifestTest, RefusesAWrongSize) {
  ++tensors_[0].size_bytes;
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_), IsStatus(kInvalid, "'a' has 25 bytes"));
}

TEST_F(ValidateManifestTest, RefusesAnOverlap) {
  tensors_[1].offset_bytes = 0;
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_), IsStatus(kInvalid, "'b' is at offset 0"));
}

TEST_F(ValidateManifestTest, RefusesAMisalignedTensor) {
  tensors_[1].offset_bytes = 24;
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_), IsStatus(kInvalid, "'b' is at offset 24"));
}

TEST_F(ValidateManifestTest, RefusesAGap) {
  tensors_[1].offset_bytes = 128;
  EXPECT_THAT(ValidateManifest(tensors_, 192), IsStatus(kInvalid, "'b' is at offset 128"));
}

TEST_F(ValidateManifestTest, RefusesATensorPastTheEnd) {
  EXPECT_THAT(ValidateManifest(tensors_, 64), IsStatus(kInvalid, "'b' ends at 74"));
}

TEST_F(ValidateManifestTest, RefusesASizeThatTheTensorsDoNotTake) {
  EXPECT_THAT(ValidateManifest(tensors_, 1 << 20), IsStatus(kInvalid, "the tensors take 128"));
  EXPECT_THAT(ValidateManifest({}, std::numeric_limits<uint64_t>::max()),
              IsStatus(kInvalid, "larger than any memory"));
}

TEST_F(ValidateManifestTest, RefusesNamesThatRepeatOrAreEmpty) {
  tensors_[1].name = tensors_[0].name;
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_), IsStatus(kInvalid, "'a' occurs twice"));
  tensors_[1].name.clear();
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_), IsStatus(kInvalid, "empty name"));
}

TEST_F(ValidateManifestTest, RefusesAnUnknownType) {
  tensors_[0].type = static_cast<TensorType>(77);
  EXPECT_THAT(ValidateManifest(tensors_, size_bytes_),
              IsStatus(kInvalid, "'a' has an unspecified"));
}

TEST(WeightSnapshotTest, IsSealedWithTheChecksumOfAllBytes) {
  const auto snapshot = WeightSnapshot::Create(4, MakeBundle({1.0F, 2.0F}));
  EXPECT_EQ(snapshot->version, 4);
  EXPECT_TRUE(snapshot->weights.VerifyChecksums().ok());
  EXPECT_EQ(snapshot->crc32c, Crc32c(snapshot->weights.bytes()));
  EXPECT_NE(snapshot->crc32c, WeightSnapshot::Create(4, MakeBundle({1.0F, 3.0F}))->crc32c);
}

// Tensors of sizes that need padding and of none, empty ones, and none at all.
TEST(WeightSnapshotTest, ItsChecksumIsThatOfAllBytesHoweverTheTensorsLie) {
  const std::vector<std::vector<int64_t>> shapes = {{0}, {16}, {0}, {1}, {3, 7}, {1000}, {0}};
  std::vector<TensorSpec> specs;
  for (size_t count = 0; count <= shapes.size(); ++count) {
    TensorBundle bundle = TensorBundle::Create(specs).value();
    // The padding, too: it counts as it is.
    uint8_t value = 0;
    for (std::byte& byte : bundle.bytes()) byte = std::byte{value += 29};
    const auto snapshot = WeightSnapshot::Create(1, std::move(bundle));
    EXPECT_EQ(snapshot->crc32c, Crc32c(snapshot->weights.bytes())) << count;
    for (const TensorSpec& tensor : snapshot->weights.tensors())
      EXPECT_EQ(tensor.crc32c, Crc32c(snapshot->weights.bytes(tensor))) << tensor.name;
    if (count < shapes.size())
      specs.push_back(Tensor("t" + std::to_string(count), TensorType::kFloat32, shapes[count]));
  }
}

}  // namespace
}  // namespace tpo

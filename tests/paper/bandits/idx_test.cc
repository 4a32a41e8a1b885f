#include "bench/paper/bandits/idx.h"

#include <zlib.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/core_test_support.h"
#include "tests/core/scratch_directory.h"
#include "tests/paper/bandits/test_dataset.h"

namespace tpo {
namespace {

using absl::StatusCode;

class IdxTest : public testing::Test {
 protected:
  IdxTest() { WriteTestDataset(directory_.path(), 30, 20); }

  absl::StatusOr<ImageDataset> Load() { return LoadImageDataset(directory_.path(), "digits"); }

  std::string Path(const std::string& name) { return directory_ / name; }

  void Gzip(const std::string& name, const std::string& bytes) {
    std::filesystem::remove(Path(name));
    const gzFile file = gzopen(Path(name + ".gz").c_str(), "wb");
    ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned int>(bytes.size())),
              static_cast<int>(bytes.size()));
    ASSERT_EQ(gzclose(file), Z_OK);
  }

  ScratchDirectory directory_;
};

TEST_F(IdxTest, ReadsImagesAndLabels) {
  const auto dataset = Load();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->name, "digits");
  EXPECT_EQ(dataset->train.count, 30);
  EXPECT_EQ(dataset->test.count, 20);
  EXPECT_EQ(dataset->train.pixels, 6);
  EXPECT_EQ(dataset->train.labels[13], 3);
  // Image 13 shows 3: the first two bits.
  const auto* image = dataset->train.images.data() + 13 * 6;
  EXPECT_EQ(std::vector<uint8_t>(image, image + 6), (std::vector<uint8_t>{242, 242, 0, 0, 242, 0}));
}

TEST_F(IdxTest, ChecksumsAreThoseOfTheUnpackedFiles) {
  WriteBytes(Path("t10k-labels-idx1-ubyte"), TestLabels(20));
  const auto plain = Load();
  ASSERT_TRUE(plain.ok()) << plain.status();
  // sha256sum of 00000801 00000014 and the bytes 0 to 9 twice.
  EXPECT_EQ(plain->checksums.at("t10k-labels-idx1-ubyte"),
            "be5713d8829571e59f34b543f7eeb521b1207d313487555fc3ab72f4165083f4");
  Gzip("train-images-idx3-ubyte", TestImages(30));
  Gzip("t10k-labels-idx1-ubyte", TestLabels(20));
  const auto packed = Load();
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(packed->checksums, plain->checksums);
  EXPECT_EQ(packed->train.images, plain->train.images);
}

TEST_F(IdxTest, NamesAMissingFile) {
  std::filesystem::remove(Path("t10k-images-idx3-ubyte"));
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kNotFound, "t10k-images-idx3-ubyte"));
}

TEST_F(IdxTest, RefusesAnotherMagicNumber) {
  WriteBytes(Path("train-images-idx3-ubyte"), TestLabels(30) + std::string(100, 'x'));
  EXPECT_THAT(Load(),
              HoldsStatus(StatusCode::kInvalidArgument, "0x00000801 is not that of images"));
}

TEST_F(IdxTest, RefusesATruncatedFile) {
  const std::string whole = TestImages(30);
  for (const size_t size : {size_t{0}, size_t{3}, size_t{15}, size_t{16}, whole.size() - 1}) {
    WriteBytes(Path("train-images-idx3-ubyte"), whole.substr(0, size));
    EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "ends early")) << size;
  }
}

TEST_F(IdxTest, RefusesBytesAfterTheEnd) {
  WriteBytes(Path("t10k-labels-idx1-ubyte"), TestLabels(20) + "x");
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "bytes after the 28"));
}

TEST_F(IdxTest, RefusesADamagedOrTruncatedGzipStream) {
  Gzip("train-images-idx3-ubyte", TestImages(30));
  const std::string path = Path("train-images-idx3-ubyte.gz");
  std::ifstream stream(path, std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(stream)), {});
  // Without its last byte only the stream's own checksum and length are incomplete.
  for (const size_t size : {packed.size() - 1, packed.size() - 9, packed.size() / 2}) {
    WriteBytes(path, packed.substr(0, size));
    EXPECT_EQ(Load().status().code(), StatusCode::kInvalidArgument) << size;
  }
  std::string wrong = packed;
  wrong[wrong.size() - 6] ^= 1;  // in the checksum
  WriteBytes(path, wrong);
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "gzip stream is damaged"));
}

TEST_F(IdxTest, RefusesLabelsBeyondNine) {
  std::string labels = TestLabels(30);
  labels[8 + 17] = 10;
  WriteBytes(Path("train-labels-idx1-ubyte"), labels);
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "label 17 is 10"));
}

TEST_F(IdxTest, RefusesCountsThatDiffer) {
  WriteBytes(Path("train-labels-idx1-ubyte"), TestLabels(29));
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "29 labels for 30 images"));
}

TEST_F(IdxTest, RefusesPicturesOfTwoSizes) {
  WriteBytes(Path("t10k-images-idx3-ubyte"), BigEndian({0x803, 20, 1, 1}) + std::string(20, 'x'));
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "6 pixels, test images 1"));
}

TEST_F(IdxTest, RefusesSizesThatCannotBe) {
  // Before it asks for the memory.
  WriteBytes(Path("train-images-idx3-ubyte"),
             BigEndian({0x803, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}));
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "too large"));
  WriteBytes(Path("train-images-idx3-ubyte"), BigEndian({0x803, 30, 0, 3}));
  EXPECT_THAT(Load(), HoldsStatus(StatusCode::kInvalidArgument, "is 0"));
}

}  // namespace
}  // namespace tpo

#include "policy/safetensors.h"

#include <cstring>

#include "tests/core/core_test_support.h"
#include "tests/core/faulty_file_system.h"
#include "tests/core/scratch_directory.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string File(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + data;
}

std::string Join(const SafetensorsPieces& pieces) {
  std::string file;
  for (const std::string_view piece : pieces.pieces()) file.append(piece);
  return file;
}

std::string BytesOf(const TensorBundle& bundle, const char* name) {
  const auto bytes = bundle.bytes(*bundle.Find(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(SafetensorsTest, ReadsTensorsOfEveryType) {
  const auto bundle =
      ParseSafetensors(File(R"({"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},)"
                            R"("a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                            R"("__metadata__":{"format":"pt"},)"
                            R"("c":{"dtype":"F16","shape":[1],"data_offsets":[8,10]},)"
                            R"("d":{"dtype":"I64","shape":[],"data_offsets":[10,18]},)"
                            R"("e":{"dtype":"F64","shape":[0,3],"data_offsets":[18,18]}}   )",
                            "AAAABBBBCCDDDDDDDD"));
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  ASSERT_EQ(bundle->tensors().size(), 5);
  EXPECT_EQ(bundle->tensors()[0].name, "a") << "in the order of the bytes";
  EXPECT_EQ(bundle->Find("b")->type, TensorType::kBfloat16);
  EXPECT_THAT(bundle->Find("a")->shape, ElementsAre(1, 1));
  EXPECT_THAT(bundle->Find("d")->shape, ElementsAre());
  EXPECT_EQ(BytesOf(*bundle, "a"), "AAAA");
  EXPECT_EQ(BytesOf(*bundle, "b"), "BBBB");
  EXPECT_EQ(BytesOf(*bundle, "c"), "CC");
  EXPECT_EQ(BytesOf(*bundle, "d"), "DDDDDDDD");
  EXPECT_EQ(BytesOf(*bundle, "e"), "");
}

TEST(SafetensorsTest, AFileWithoutTensorsIsFine) {
  EXPECT_TRUE(ParseSafetensors(File("{}", "")).ok());
}

TEST(SafetensorsTest, WhatIsWrittenIsReadBackEqual) {
  auto bundle = TensorBundle::Create({Tensor("z", TensorType::kFloat32, {3}),
                                      Tensor("layer.\"0\"\\", TensorType::kFloat16, {2, 2}),
                                      Tensor("step", TensorType::kInt64, {})});
  for (size_t i = 0; i < 3; ++i) {
    for (std::byte& byte : bundle->bytes(bundle->tensors()[i])) byte = std::byte(i + 65);
  }
  const SafetensorsPieces written(*bundle, {{"format", "pt"}});
  EXPECT_EQ(written.pieces().front().size() % 8, 0) << "the data is aligned";
  const auto read = ParseSafetensors(Join(written));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tensors(), bundle->tensors());
  EXPECT_EQ(read->bytes(), std::as_const(*bundle).bytes());
}

struct BadFile {
  const char* name;
  std::string file;
  const char* part;  // of the message
};

class HostileSafetensorsTest : public testing::TestWithParam<BadFile> {};

TEST_P(HostileSafetensorsTest, IsRefusedWithTheReason) {
  EXPECT_THAT(ParseSafetensors(GetParam().file), HoldsStatus(kInvalid, GetParam().part));
}

std::string OneTensor(const std::string& fields, size_t data_size = 4) {
  return File("{\"x\":{" + fields + "}}", std::string(data_size, 'x'));
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileSafetensorsTest,
    testing::Values(
        BadFile{"Empty", "", "0 bytes"}, BadFile{"ShortLength", "1234567", "7 bytes"},
        BadFile{"HeaderPastTheEnd", std::string("\x10\0\0\0\0\0\0\0{}", 10), "only 2 follow"},
        BadFile{"HugeHeader", std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10),
                "more than the 100000000"},
        BadFile{"BadJson", File("{\"x\":", ""), "bad JSON"},
        BadFile{"TextAfterJson", File("{} x", ""), "bad JSON"},
        BadFile{"NotUtf8", File("{\"\xff\":{}}", ""), "bad JSON"},
        BadFile{"DeepJson", File(std::string(100000, '['), ""), "nested deeper than 100 levels"},
        BadFile{"NotAnObject", File("[1]", ""), "isn't a JSON object"},
        BadFile{"DuplicateTensor",
                File(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                     R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                     "xxxx"),
                "'x' occurs twice"},
        BadFile{"DuplicateField",
                OneTensor(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"),
                "'dtype' occurs twice"},
        BadFile{"UnknownField",
                OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"y":1)"), "'y'"},
        BadFile{"TensorIsNoObject", File(R"({"x":3})", ""), "'x' isn't described"},
        BadFile{"MetadataIsNoObject", File(R"({"__metadata__":3})", ""), "__metadata__"},
        BadFile{"MetadataNumber", File(R"({"__metadata__":{"k":3}})", ""), "'k' isn't a string"},
        BadFile{"NoDtype", OneTensor(R"("shape":[1],"data_offsets":[0,4])"), "no dtype"},
        BadFile{"UnknownDtype", OneTensor(R"("dtype":"I8","shape":[4],"data_offsets":[0,4])"),
                "dtype 'I8'"},
        BadFile{"NoShape", OneTensor(R"("dtype":"F32","data_offsets":[0,4])"), "no shape"},
        BadFile{"NegativeExtent", OneTensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"),
                "extent -1"},
        BadFile{"FractionalExtent",
                OneTensor(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), "extent 1.0"},
        BadFile{"OverflowingShape",
                OneTensor(R"("dtype":"F32","shape":[4294967296,4294967296,4294967296],)"
                          R"("data_offsets":[0,4])"),
                "larger than any memory"},
        BadFile{"ShapeNeedsMore",
                OneTensor(R"("dtype":"F32","shape":[1000000000],"data_offsets":[0,4])"),
                "its shape needs 4000000000"},
        BadFile{"NoOffsets", OneTensor(R"("dtype":"F32","shape":[1])"), "data_offsets"},
        BadFile{"ThreeOffsets", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"),
                "data_offsets"},
        BadFile{"NegativeOffset", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"),
                "data_offsets"},
        BadFile{"BackwardOffsets", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"),
                "after its end"},
        BadFile{"PastTheData", OneTensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"),
                "only 4 bytes of data"},
        BadFile{"GapAtTheStart", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8),
                "leaves a gap"},
        BadFile{"RestAtTheEnd", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 7),
                "3 bytes at its end"},
        BadFile{"Overlap",
                File(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                     R"("y":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                     "xxxxxx"),
                "'y' overlaps"},
        BadFile{"EmptyName",
                File(R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "xxxx"),
                "empty name"}),
    [](const auto& instance) { return instance.param.name; });

// Every prefix of a good file is refused: no cut goes unnoticed.
TEST(SafetensorsTest, ATruncatedFileIsRefused) {
  const TensorBundle bundle = MakeBundle({1.0F, 2.0F, 3.0F});
  const std::string file = Join(SafetensorsPieces(bundle));
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseSafetensors(std::string_view(file).substr(0, size)).ok()) << size;
  }
}

TEST(SafetensorsFileTest, ErrorsNameTheFile) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "model.safetensors";
  FileSystem* const files = FileSystem::Posix();
  EXPECT_THAT(ReadSafetensors(files, path), HoldsStatus(absl::StatusCode::kNotFound, path));
  ASSERT_TRUE(files->WriteFile(path, {"rubbish"}).ok());
  EXPECT_THAT(ReadSafetensors(files, path), HoldsStatus(kInvalid, path + ": not a valid"));
  ASSERT_TRUE(WriteSafetensors(files, path, MakeBundle({4.0F})).ok());
  EXPECT_EQ(ReadSafetensors(files, path)->bytes(), MakeBundle({4.0F}).bytes());
  FaultyFileSystem full =
      FaultyFileSystem::FailingAt(1, absl::ResourceExhaustedError("no space left"));
  EXPECT_THAT(WriteSafetensors(&full, path, MakeBundle({4.0F})),
              IsStatus(absl::StatusCode::kResourceExhausted, "no space"));
}

TEST(SafetensorsFileTest, ReadsTheModelsThatTransformersWrote) {
  const auto golden = GoldenDirectory();
  ASSERT_TRUE(golden.ok()) << golden.status();
  int models = 0;
  for (const auto& folder : std::filesystem::directory_iterator(*golden / "hf")) {
    const std::string path = folder.path() / "model.safetensors";
    if (!std::filesystem::exists(path)) continue;
    const auto bundle = ReadSafetensors(FileSystem::Posix(), path);
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    EXPECT_NE(bundle->Find("model.embed_tokens.weight"), nullptr) << path;
    ++models;
  }
  EXPECT_GT(models, 0);
}

}  // namespace
}  // namespace tpo

#include "bench/paper/bandits/idx.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/file_system.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;
constexpr uint32_t kLabelsMagic = 0x00000801;
constexpr uint64_t kMostBytes = uint64_t{1} << 32;
constexpr uint64_t kMostPixels = 1 << 16;

struct GzClose {
  void operator()(gzFile file) const { gzclose_r(file); }
};
using GzHandle = std::unique_ptr<gzFile_s, GzClose>;

// An IDX file that is open for reading, and what went wrong with it.
class IdxReader {
 public:
  explicit IdxReader(std::string path)
      : path_(std::move(path)), file_(gzopen(path_.c_str(), "rb")) {}

  absl::Status Refuse(const std::string& reason) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", reason));
  }

  // Appends `count` bytes to what was read.
  absl::Status Read(uint64_t count) {
    if (file_ == nullptr) {
      return absl::NotFoundError(absl::StrCat("cannot open ", path_, ", nor the same without .gz"));
    }
    const size_t start = bytes_.size();
    bytes_.resize(start + count);
    uint64_t done = 0;
    while (done < count) {
      const uint64_t wanted = std::min<uint64_t>(count - done, 1 << 20);
      const int got =
          gzread(file_.get(), bytes_.data() + start + done, static_cast<unsigned int>(wanted));
      if (got <= 0) return Refuse(Failure(start + done, start + count));
      done += static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

  // The end of the file, with gzip's own checksum where there is one.
  absl::Status ExpectEnd() {
    char extra = 0;
    const int got = gzread(file_.get(), &extra, 1);
    if (got > 0) {
      return Refuse(
          absl::StrCat("has bytes after the ", bytes_.size(), " that its header announces"));
    }
    if (got < 0 || gzclose_r(file_.release()) != Z_OK) return Refuse("the gzip stream is damaged");
    return absl::OkStatus();
  }

  uint32_t Number(size_t index) const {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) {
      number = number << 8 | static_cast<uint8_t>(bytes_[4 * index + i]);
    }
    return number;
  }

  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::string Failure(uint64_t done, uint64_t wanted) const {
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (code == Z_DATA_ERROR) return "the gzip stream is damaged";
    return absl::StrCat("ends early: ", wanted, " bytes wanted, at most ", done, " there");
  }

  const std::string path_;
  GzHandle file_;
  std::vector<uint8_t> bytes_;
};

// Reads the header, `dimensions` sizes after the magic number, and checks the first.
absl::StatusOr<uint64_t> ReadHeader(IdxReader& reader, uint32_t magic, int dimensions,
                                    const char* what) {
  TPO_RETURN_IF_ERROR(reader.Read(4 * static_cast<uint64_t>(1 + dimensions)));
  if (reader.Number(0) != magic) {
    return reader.Refuse(
        absl::StrCat("magic number 0x", absl::Hex(reader.Number(0), absl::kZeroPad8),
                     " is not that of ", what, " (0x", absl::Hex(magic, absl::kZeroPad8), ")"));
  }
  uint64_t size = 1;
  for (int i = 1; i <= dimensions; ++i) {
    const uint64_t extent = reader.Number(static_cast<size_t>(i));
    if (extent == 0) return reader.Refuse("a size in the header is 0");
    if (extent > kMostBytes / size) return reader.Refuse("the sizes in the header are too large");
    size *= extent;
  }
  return size;
}

std::string Sha256(const std::vector<uint8_t>& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

// The file with this name in the directory, or its gzipped form.
std::string FindFile(const std::string& directory, const std::string& name) {
  const std::string plain = JoinPath(directory, name);
  std::error_code error;
  return std::filesystem::exists(plain, error) ? plain : plain + ".gz";
}

absl::StatusOr<LabelledImages> LoadPart(const std::string& directory, const std::string& part,
                                        std::map<std::string, std::string>& checksums) {
  const std::string images_name = part + "-images-idx3-ubyte";
  const std::string labels_name = part + "-labels-idx1-ubyte";
  IdxReader images(FindFile(directory, images_name));
  TPO_ASSIGN_OR_RETURN(const uint64_t image_bytes, ReadHeader(images, kImagesMagic, 3, "images"));
  const uint64_t count = images.Number(1);
  if (count > std::numeric_limits<int>::max() || image_bytes / count > kMostPixels) {
    return images.Refuse("the sizes in the header are too large");
  }
  TPO_RETURN_IF_ERROR(images.Read(image_bytes));
  TPO_RETURN_IF_ERROR(images.ExpectEnd());

  IdxReader labels(FindFile(directory, labels_name));
  TPO_ASSIGN_OR_RETURN(const uint64_t label_count, ReadHeader(labels, kLabelsMagic, 1, "labels"));
  if (label_count != count) {
    return labels.Refuse(absl::StrCat("has ", label_count, " labels for ", count, " images"));
  }
  TPO_RETURN_IF_ERROR(labels.Read(label_count));
  TPO_RETURN_IF_ERROR(labels.ExpectEnd());

  LabelledImages result;
  result.count = static_cast<int>(count);
  result.pixels = static_cast<int>(image_bytes / count);
  result.images.assign(images.bytes().end() - static_cast<ptrdiff_t>(image_bytes),
                       images.bytes().end());
  result.labels.assign(labels.bytes().end() - static_cast<ptrdiff_t>(label_count),
                       labels.bytes().end());
  for (size_t i = 0; i < result.labels.size(); ++i) {
    if (result.labels[i] >= kImageClasses) {
      return labels.Refuse(
          absl::StrCat("label ", i, " is ", result.labels[i], ", not one of 0 to 9"));
    }
  }
  checksums[images_name] = Sha256(images.bytes());
  checksums[labels_name] = Sha256(labels.bytes());
  return result;
}

}  // namespace

absl::StatusOr<ImageDataset> LoadImageDataset(const std::string& directory,
                                              const std::string& name) {
  ImageDataset dataset;
  dataset.name = name;
  TPO_ASSIGN_OR_RETURN(dataset.train, LoadPart(directory, "train", dataset.checksums));
  TPO_ASSIGN_OR_RETURN(dataset.test, LoadPart(directory, "t10k", dataset.checksums));
  if (dataset.train.pixels != dataset.test.pixels) {
    return absl::InvalidArgumentError(absl::StrCat(directory, ": training images have ",
                                                   dataset.train.pixels, " pixels, test images ",
                                                   dataset.test.pixels));
  }
  return dataset;
}

}  // namespace tpo

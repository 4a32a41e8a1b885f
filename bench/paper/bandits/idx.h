// Images and labels in the IDX format of MNIST and its like: big-endian header (magic number,
// sizes), then bytes. Files may be gzipped or not.
//
// Strict: a wrong magic number, sizes that don't fit one another, bytes missing or left over and
// labels beyond 9 are refused. Thread-safe: pure functions of the files.
#ifndef TPO_BENCH_PAPER_BANDITS_IDX_H_
#define TPO_BENCH_PAPER_BANDITS_IDX_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tpo {

inline constexpr int kImageClasses = 10;

struct LabelledImages {
  int count = 0;
  int pixels = 0;               // per image
  std::vector<uint8_t> images;  // [count, pixels], row by row
  std::vector<uint8_t> labels;  // [count], below kImageClasses
};

struct ImageDataset {
  std::string name;
  LabelledImages train;
  LabelledImages test;
  // SHA-256 of each file's unpacked bytes, in hexadecimal, by the file's name without ".gz".
  std::map<std::string, std::string> checksums;
};

// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each plain or with ".gz" appended. NOT_FOUND: one isn't there;
// INVALID_ARGUMENT: one isn't what it should be. Both name the file.
absl::StatusOr<ImageDataset> LoadImageDataset(const std::string& directory,
                                              const std::string& name);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_IDX_H_

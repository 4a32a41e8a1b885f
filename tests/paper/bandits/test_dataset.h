// Small datasets in the IDX format, whole and damaged.
#ifndef TPO_TESTS_PAPER_BANDITS_TEST_DATASET_H_
#define TPO_TESTS_PAPER_BANDITS_TEST_DATASET_H_

#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

namespace tpo {

inline std::string BigEndian(std::initializer_list<uint32_t> numbers) {
  std::string bytes;
  for (const uint32_t number : numbers) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift));
  }
  return bytes;
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// `count` images of 2 x 3 pixels; image i shows its label, i % 10, in bits, with a shade of its
// own.
inline std::string TestImages(uint32_t count) {
  std::string bytes = BigEndian({0x803, count, 2, 3});
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t pixel = 0; pixel < 6; ++pixel) {
      const bool lit = pixel < 4 ? ((i % 10) >> pixel & 1) != 0 : pixel == 4;
      bytes.push_back(static_cast<char>(lit ? 255 - i % 50 : 0));
    }
  }
  return bytes;
}

inline std::string TestLabels(uint32_t count) {
  std::string bytes = BigEndian({0x801, count});
  for (uint32_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i % 10));
  return bytes;
}

// A whole dataset of `train` and `test` images.
inline void WriteTestDataset(const std::string& directory, uint32_t train, uint32_t test) {
  WriteBytes(directory + "/train-images-idx3-ubyte", TestImages(train));
  WriteBytes(directory + "/train-labels-idx1-ubyte", TestLabels(train));
  WriteBytes(directory + "/t10k-images-idx3-ubyte", TestImages(test));
  WriteBytes(directory + "/t10k-labels-idx1-ubyte", TestLabels(test));
}

}  // namespace tpo

#endif  // TPO_TESTS_PAPER_BANDITS_TEST_DATASET_H_

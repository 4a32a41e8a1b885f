// What the fuzz targets share. A target defines LLVMFuzzerTestOneInput, which takes any bytes and
// returns 0; libFuzzer calls it with bytes that it makes up (./dev fuzz), replay.cc with those of
// the corpus (in the test suite).
#ifndef TPO_TESTS_FUZZ_FUZZ_H_
#define TPO_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tpo {

// What has to hold whatever the input is.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "doesn't hold: %s\n", what);
  std::abort();
}

// The input, to be taken apart from its front.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  // 0 at the end.
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  // A piece whose length stands in front of it, in two bytes; what there is when it is longer.
  std::string_view Piece() {
    const size_t low = Byte();
    const size_t size = low + 256U * Byte();
    const std::string_view piece = rest_.substr(0, size);
    rest_.remove_prefix(piece.size());
    return piece;
  }

  std::string_view Rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace tpo

#endif  // TPO_TESTS_FUZZ_FUZZ_H_

// CRC-32C: the processor's instruction where there is one, else eight tables ("slicing by 8").
#include "core/crc32c.h"

#include <array>
#include <cstring>

#include "core/weight_snapshot.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tpo {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;
using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b] is the remainder of byte b followed by k zero bytes.
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReflectedPolynomial : 0);
    }
    tables[0][byte] = remainder;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t shorter = tables[k - 1][byte];
      tables[k][byte] = (shorter >> 8) ^ tables[0][shorter & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

uint64_t LoadWord(const std::byte* data) {
  uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

uint32_t ExtendByTables(uint32_t crc, const std::byte* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    const uint64_t word = LoadWord(data) ^ crc;  // little-endian, like all our formats
    crc = 0;
    for (int byte = 0; byte < 8; ++byte) crc ^= kTables[7 - byte][(word >> (8 * byte)) & 0xFF];
  }
  for (; size > 0; ++data, --size) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(*data)) & 0xFF];
  }
  return crc;
}

// The product of two remainders as polynomials over GF(2), again a remainder. The highest bit is
// the coefficient of x^0, as it is in the checksum.
uint32_t MultiplyRemainders(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = uint32_t{1} << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kReflectedPolynomial : 0);
  }
  return product;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ExtendByInstruction(uint32_t crc, const std::byte* data,
                                                               size_t size) {
  uint64_t wide = crc;
  for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, LoadWord(data));
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*data));
  return crc;
}

bool HasInstruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}
#endif

}  // namespace

uint32_t Crc32cByTables(absl::Span<const std::byte> bytes) {
  return ~ExtendByTables(~uint32_t{0}, bytes.data(), bytes.size());
}

uint32_t ExtendCrc32c(uint32_t crc, absl::Span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (HasInstruction()) return ~ExtendByInstruction(~crc, bytes.data(), bytes.size());
#endif
  return ~ExtendByTables(~crc, bytes.data(), bytes.size());
}

uint32_t CombineCrc32c(uint32_t first, uint32_t second, uint64_t second_bytes) {
  // `second_bytes` bytes behind something multiply its remainder by x^8 for each of them. What
  // checksums are complemented by at begin and end cancels out.
  uint32_t power = uint32_t{1} << (31 - 8);
  for (uint64_t rest = second_bytes; rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) first = MultiplyRemainders(first, power);
    power = MultiplyRemainders(power, power);
  }
  return first ^ second;
}

uint32_t Crc32c(absl::Span<const std::byte> bytes) { return ExtendCrc32c(0, bytes); }

}  // namespace tpo

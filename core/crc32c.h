// The portable way to compute Crc32c() of core/weight_snapshot.h, which uses the processor's
// instruction where there is one. Apart so that a test can hold one against the other. Pure,
// thread-safe.
#ifndef TPO_CORE_CRC32C_H_
#define TPO_CORE_CRC32C_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace tpo {

uint32_t Crc32cByTables(absl::Span<const std::byte> bytes);

}  // namespace tpo

#endif  // TPO_CORE_CRC32C_H_

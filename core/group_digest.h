// A checksum of a group's content, by which a group that is submitted again is known to be the
// same. Pure, thread-safe.
#ifndef TPO_CORE_GROUP_DIGEST_H_
#define TPO_CORE_GROUP_DIGEST_H_

#include <cstdint>

#include "core/types.h"

namespace tpo {

// CRC-32C of all fields, bit by bit; lengths count, so nothing can move from one field to the next
// unseen. Of this process only: it may change with the version and the machine.
uint32_t GroupDigest(const Group& group);

}  // namespace tpo

#endif  // TPO_CORE_GROUP_DIGEST_H_

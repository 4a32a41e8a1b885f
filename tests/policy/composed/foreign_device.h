// A device of LibTorch that isn't the host, on every machine: `foreign:0`, whose memory is the
// host's and whose operators are the CPU's. Like a GPU's they refuse tensors of two devices (but
// numbers, which are tensors without dimensions); values get across by copies alone.
#ifndef TPO_TESTS_POLICY_COMPOSED_FOREIGN_DEVICE_H_
#define TPO_TESTS_POLICY_COMPOSED_FOREIGN_DEVICE_H_

#include <cstdint>

#include <c10/core/Device.h>

namespace tpo {

c10::Device ForeignDevice();

// Operators that it has computed, without copies and views.
int64_t ForeignOperators();

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_COMPOSED_FOREIGN_DEVICE_H_

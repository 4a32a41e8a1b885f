#include "tests/policy/composed/foreign_device.h"

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

namespace tpo {
namespace {

constexpr c10::DeviceType kForeign = c10::DeviceType::PrivateUse1;
const c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

std::atomic<int64_t> operators = 0;

class ForeignAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const memory = std::malloc(bytes);
    return {memory, memory, &std::free, ForeignDevice()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }
};

ForeignAllocator& Allocator() {
  static auto* const allocator = new ForeignAllocator;
  return *allocator;
}

// One device without streams.
class ForeignGuard : public c10::impl::NoOpDeviceGuardImpl<kForeign> {
 public:
  c10::Device exchangeDevice(c10::Device) const override { return ForeignDevice(); }
  c10::Device getDevice() const override { return ForeignDevice(); }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, ForeignDevice());
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, ForeignDevice());
  }
};

at::Tensor Empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool> pinned,
                 std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!pinned.value_or(false), "memory of a device isn't pinned");
  return at::Tensor(
      at::detail::empty_generic(size, &Allocator(), kKeys, c10::dtype_or_default(type), format));
}

at::Tensor EmptyStrided(at::IntArrayRef size, at::IntArrayRef stride,
                        std::optional<at::ScalarType> type, std::optional<at::Layout>,
                        std::optional<at::Device>, std::optional<bool>) {
  return at::Tensor(at::detail::empty_strided_generic(size, stride, &Allocator(), kKeys,
                                                      c10::dtype_or_default(type)));
}

// The same memory as a tensor of the CPU.
at::Tensor OnHost(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(tensor.scalar_type()));
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool) {
  OnHost(to).copy_(OnHost(from));
  return to;
}

// Of results that are made empty; what a larger one held is lost.
const at::Tensor& Resize(const at::Tensor& tensor, at::IntArrayRef size,
                         std::optional<at::MemoryFormat>) {
  const size_t bytes = c10::multiply_integers(size) * tensor.itemsize();
  c10::StorageImpl* const storage = tensor.storage().unsafeGetStorageImpl();
  if (storage->nbytes() < bytes) {
    storage->set_data_ptr_noswap(Allocator().allocate(bytes));
    storage->set_nbytes(bytes);
  }
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  return tensor;
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) Resize(to, from.sizes(), std::nullopt);
  return CopyFrom(from, to, false);
}

// A product of bfloat16 with a float32 result, which LibTorch has on CUDA, not on the CPU.
at::Tensor WideProduct(const at::Tensor& left, const at::Tensor& right, at::ScalarType type) {
  TORCH_CHECK(left.scalar_type() == at::kBFloat16 && right.scalar_type() == at::kBFloat16 &&
              type == at::kFloat && left.device() == right.device());
  return at::matmul(left.to(type), right.to(type));
}

void CheckDevice(const c10::OperatorHandle& op, const at::Tensor& tensor) {
  TORCH_CHECK(!tensor.defined() || tensor.dim() == 0 || tensor.device() == ForeignDevice(),
              op.operator_name(), " got a tensor of ", tensor.device(), " beside those of ",
              ForeignDevice());
}

void Compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  for (const c10::IValue& argument : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (argument.isTensor()) CheckDevice(op, argument.toTensor());
    if (argument.isTensorList()) {
      for (const at::Tensor& tensor : argument.toTensorVector()) CheckDevice(op, tensor);
    }
    if (argument.isOptionalTensorList()) {
      for (const std::optional<at::Tensor>& tensor : argument.toOptionalTensorVector())
        if (tensor.has_value()) CheckDevice(op, *tensor);
    }
  }
  ++operators;
  at::native::cpu_fallback(op, stack);
}

// Autograd asks for them.
class ForeignHooks : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

const bool registered = [] {
  c10::register_privateuse1_backend("foreign");
  at::RegisterPrivateUse1HooksInterface(new ForeignHooks);
  return true;
}();

}  // namespace

c10::Device ForeignDevice() { return {kForeign, 0}; }

int64_t ForeignOperators() { return operators; }

C10_REGISTER_GUARD_IMPL(PrivateUse1, ForeignGuard)
REGISTER_ALLOCATOR(kForeign, &Allocator())

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("resize_", &Resize);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("mm.dtype", &WideProduct);
  library.impl("_copy_from", &CopyFrom);
  library.impl("_copy_from_and_resize", &CopyFromAndResize);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&Compute>());
}

}  // namespace tpo

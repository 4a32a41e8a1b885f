// Sees what LibTorch allocates on the CPU, while it lives: the largest piece, and the most at a
// time.
#ifndef TPO_TESTS_POLICY_COMPOSED_RECORDING_ALLOCATOR_H_
#define TPO_TESTS_POLICY_COMPOSED_RECORDING_ALLOCATOR_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace tpo {

class RecordingAllocator : public c10::Allocator {
 public:
  // Stays LibTorch's allocator for the life of the process: memory may outlive the test.
  static RecordingAllocator& Get() {
    static RecordingAllocator* const allocator = [] {
      auto* const made = new RecordingAllocator(c10::GetCPUAllocator());
      c10::SetCPUAllocator(made, /*priority=*/100);
      return made;
    }();
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    c10::DataPtr memory = under_->allocate(bytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    size_of_[memory.get()] = {bytes, memory.get_deleter()};
    now_ += bytes;
    most_ = std::max(most_, now_);
    largest_ = std::max(largest_, bytes);
    TORCH_CHECK(memory.get() == memory.get_context(), "not a plain allocator");
    return {memory.get(), memory.release_context(), &Free, memory.device()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }

  // Forgets what has been; counts from what is allocated now.
  void Begin() {
    const std::lock_guard<std::mutex> lock(mutex_);
    begin_ = now_;
    most_ = now_;
    largest_ = 0;
  }
  size_t largest() const { return largest_; }
  size_t most() const { return most_ - begin_; }

 private:
  struct Piece {
    size_t bytes = 0;
    c10::DeleterFnPtr free = nullptr;
  };

  explicit RecordingAllocator(c10::Allocator* under) : under_(under) {}

  static void Free(void* memory) {
    RecordingAllocator& allocator = Get();
    Piece piece;
    {
      const std::lock_guard<std::mutex> lock(allocator.mutex_);
      const auto found = allocator.size_of_.find(memory);
      if (found == allocator.size_of_.end()) return;
      piece = found->second;
      allocator.now_ -= piece.bytes;
      allocator.size_of_.erase(found);
    }
    piece.free(memory);
  }

  c10::Allocator* const under_;
  std::mutex mutex_;
  std::unordered_map<void*, Piece> size_of_;
  size_t now_ = 0;
  size_t begin_ = 0;
  size_t most_ = 0;
  size_t largest_ = 0;
};

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_COMPOSED_RECORDING_ALLOCATOR_H_

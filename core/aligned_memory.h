// Memory for weights and caches: aligned to pages, zero, in huge pages where the system gives them.
// What is large takes room only as it is written to, and the system has all of it back once it is
// freed. (An allocator may cut something small out of freed weights, and have no room then for the
// next version's.) Movable.
#ifndef TPO_CORE_ALIGNED_MEMORY_H_
#define TPO_CORE_ALIGNED_MEMORY_H_

#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <new>

namespace tpo {

template <typename T>
class AlignedMemory {
 public:
  AlignedMemory() = default;
  // Throws std::bad_alloc.
  explicit AlignedMemory(size_t count) : count_(count) {
    if (count == 0) return;
    // Fresh pages are zero without being touched.
    const size_t bytes = (count * sizeof(T) + kPage - 1) / kPage * kPage;
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, bytes, MADV_HUGEPAGE);  // only a hint
    data_ = {static_cast<T*>(memory), Unmap{bytes}};
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return count_; }

 private:
  static constexpr size_t kPage = 4096;
  struct Unmap {
    size_t bytes = 0;
    void operator()(T* memory) const { munmap(memory, bytes); }
  };
  size_t count_ = 0;
  std::unique_ptr<T[], Unmap> data_;
};

}  // namespace tpo

#endif  // TPO_CORE_ALIGNED_MEMORY_H_

// Tells ThreadSanitizer about absl::Mutex. The distribution's absl isn't instrumented, so the
// sanitizer would see no order between two critical sections and report every guarded field as a
// race. The functions here take the place of the shared library's, call them, and declare what they
// order. Linked into programs of the TSan build only.
//
// Conditions need care: a waiter's condition may be evaluated by the thread that unlocks, within
// Unlock, or by the waiter within Await, where our declarations for Lock don't reach. So each
// evaluation declares itself.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"

namespace {

// The mutex under which this thread may evaluate conditions.
thread_local void* held_mutex = nullptr;

template <typename Function>
Function Real(const char* symbol) {
  void* found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_absl_mutex: no symbol %s\n", symbol);
    std::abort();
  }
  return reinterpret_cast<Function>(found);
}

// Calls the real function of `symbol`, which may give `mutex` up and takes it again before it
// returns.
template <typename Result, typename... Arguments>
Result CallWaiting(const char* symbol, void* mutex, Arguments... arguments) {
  const auto real = Real<Result (*)(Arguments...)>(symbol);
  __tsan_release(mutex);
  held_mutex = mutex;
  if constexpr (std::is_void_v<Result>) {
    real(arguments...);
    __tsan_acquire(mutex);
  } else {
    const Result result = real(arguments...);
    __tsan_acquire(mutex);
    return result;
  }
}

}  // namespace

// Itanium names of this absl's inline namespace.
#define TPO_ABSL(name) "_ZN4absl7debian3" name

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto real = Real<void (*)(Mutex*)>(TPO_ABSL("5Mutex4LockEv"));
  real(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto real = Real<bool (*)(Mutex*)>(TPO_ABSL("5Mutex7TryLockEv"));
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto real = Real<void (*)(Mutex*)>(TPO_ABSL("5Mutex6UnlockEv"));
  __tsan_release(this);
  held_mutex = this;
  real(this);
}

void Mutex::ReaderLock() {
  static const auto real = Real<void (*)(Mutex*)>(TPO_ABSL("5Mutex10ReaderLockEv"));
  real(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto real = Real<void (*)(Mutex*)>(TPO_ABSL("5Mutex12ReaderUnlockEv"));
  __tsan_release(this);
  held_mutex = this;
  real(this);
}

void Mutex::Await(const Condition& condition) {
  CallWaiting<void, Mutex*, const Condition&>(TPO_ABSL("5Mutex5AwaitERKNS0_9ConditionE"), this,
                                              this, condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return CallWaiting<bool, Mutex*, const Condition&, Duration>(
      TPO_ABSL("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"), this, this, condition,
      timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  return CallWaiting<bool, Mutex*, const Condition&, Time>(
      TPO_ABSL("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE"), this, this, condition,
      deadline);
}

void Mutex::LockWhen(const Condition& condition) {
  Lock();
  Await(condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  Lock();
  return AwaitWithTimeout(condition, timeout);
}

bool Condition::Eval() const {
  static const auto real = Real<bool (*)(const Condition*)>("_ZNK4absl7debian39Condition4EvalEv");
  if (held_mutex == nullptr) return real(this);
  __tsan_acquire(held_mutex);
  const bool result = real(this);
  __tsan_release(held_mutex);
  return result;
}

void CondVar::Wait(Mutex* mutex) {
  CallWaiting<void, CondVar*, Mutex*>(TPO_ABSL("7CondVar4WaitEPNS0_5MutexE"), mutex, this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  return CallWaiting<bool, CondVar*, Mutex*, Duration>(
      TPO_ABSL("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"), mutex, this, mutex,
      timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  return CallWaiting<bool, CondVar*, Mutex*, Time>(
      TPO_ABSL("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"), mutex, this, mutex, deadline);
}

ABSL_NAMESPACE_END
}  // namespace absl

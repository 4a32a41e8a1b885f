// Preloaded into a process, lets its wall clock jump while it runs, as when somebody sets the
// machine's clock: CLOCK_REALTIME is the true one plus an offset, which another process may change
// at any moment in the file that TPO_CLOCK_OFFSET_FILE names (eight bytes, nanoseconds).
// CLOCK_MONOTONIC is left alone.
//
// Waits until a point in wall time (Abseil's mutexes make them, as a futex with
// FUTEX_CLOCK_REALTIME) are made in short pieces, so that a jump acts on those in progress too.
// That is what general tools such as libfaketime don't do: they shift what a process reads and not
// what it waits for.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPiece = 20'000'000;

using ClockGettime = int (*)(clockid_t, timespec*);
using Syscall = long (*)(long, ...);

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

ClockGettime TrueClockGettime() {
  static const ClockGettime function = Next<ClockGettime>("clock_gettime");
  return function;
}

const volatile int64_t* OpenOffset() {
  static const int64_t none = 0;
  const char* path = getenv("TPO_CLOCK_OFFSET_FILE");
  if (path == nullptr) return &none;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) abort();
  void* memory = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) abort();
  close(file);
  return static_cast<const volatile int64_t*>(memory);
}

int64_t Offset() {
  static const volatile int64_t* const offset = OpenOffset();
  return *offset;
}

int64_t ToNanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

timespec ToTimespec(int64_t nanoseconds) {
  return {static_cast<time_t>(nanoseconds / kSecond), static_cast<long>(nanoseconds % kSecond)};
}

int64_t TrueNow() {
  timespec now{};
  TrueClockGettime()(CLOCK_REALTIME, &now);
  return ToNanoseconds(now);
}

// A futex wait until a point in wall time, as the process sees it.
long WaitUntil(Syscall call, long address, long operation, long value, int64_t deadline,
               long bits) {
  while (true) {
    const int64_t now = TrueNow();
    const int64_t left = deadline - (now + Offset());
    const timespec until = ToTimespec(now + (left < kPiece ? (left > 0 ? left : 0) : kPiece));
    const long result = call(SYS_futex, address, operation, value, &until, 0L, bits);
    if (result == 0 || errno != ETIMEDOUT) return result;
    if (TrueNow() + Offset() >= deadline) {
      errno = ETIMEDOUT;
      return -1;
    }
  }
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  const int result = TrueClockGettime()(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *time = ToTimespec(ToNanoseconds(*time) + Offset());
  }
  return result;
}

int gettimeofday(timeval* time, void* /*zone*/) {
  const timespec now = ToTimespec(TrueNow() + Offset());
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) {
  const time_t now = ToTimespec(TrueNow() + Offset()).tv_sec;
  if (result != nullptr) *result = now;
  return now;
}

long syscall(long number, ...) {
  static const Syscall call = Next<Syscall>("syscall");
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const long operation = arguments[1];
  const auto* deadline = reinterpret_cast<const timespec*>(arguments[3]);
  if (number == SYS_futex && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
      (operation & FUTEX_CLOCK_REALTIME) != 0 && deadline != nullptr) {
    return WaitUntil(call, arguments[0], operation, arguments[2], ToNanoseconds(*deadline),
                     arguments[5]);
  }
  return call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

}  // extern "C"

// What hostile programs deserve, and that nothing of them is left: each under every kind of
// isolation that this machine allows.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/verifier/sandbox/code_verifier_fixture.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;

// Tests of f(3) and f(5), which no constant passes; the numbers stand nowhere in the programs.
constexpr char kCalls[] = R"([{"args": [3], "expected": 70003}, {"args": [5], "expected": 70005}])";
constexpr char kAsserts[] = R"(["assert f(3) == 70003", "assert f(5) == 70005"])";

// What starting and ending an execution may take on a machine with nothing else to do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr absl::Duration kGrace = absl::Seconds(5);
#else
constexpr absl::Duration kGrace = absl::Seconds(1);
#endif

// By how many the machine's processor time is shared: in the last minute or now, whichever is more.
double ProgramsPerCore() {
  std::ifstream file("/proc/loadavg");
  double last_minute = 0.0;
  double running = 0.0;
  std::string ignored;
  file >> last_minute >> ignored >> ignored >> running;
  return std::max(last_minute, running) / std::max(1U, std::thread::hardware_concurrency());
}

class HostileProgramsTest : public ::testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
    Start(TestOptions(GetParam()));
    mkdir(secret_folder_.c_str(), 0755);
    chmod(secret_folder_.c_str(), 0777);
  }
  void TearDown() override {
    EXPECT_EQ(LeftoverProcesses(), 0);
    std::filesystem::remove_all(secret_folder_);
  }

  void Start(const CodeVerifierOptions& options) {
    std::string reason;
    verifier_ = MakeVerifier(options, &reason);
    if (verifier_ == nullptr) GTEST_SKIP() << reason;
  }

  // With programs that may start processes.
  void AllowProcesses() {
    CodeVerifierOptions options = TestOptions(GetParam());
    options.sandbox.limits.child_processes = true;
    Start(options);
  }

  // For programs that are to come to their own end, on a busy machine too.
  void AllowTime() {
    CodeVerifierOptions options = TestOptions(GetParam());
    options.sandbox.limits.wall = absl::Seconds(60);
    options.sandbox.limits.cpu = absl::Seconds(30);
    Start(options);
  }

  // Whatever the program does, its verdict comes within `limit` and kGrace.
  Verdict Timed(const std::string& program, std::map<std::string, std::string> metadata,
                absl::Duration limit) {
    const double busy_before = ProgramsPerCore();
    const absl::Time begin = absl::Now();
    Verdict verdict = Ask(verifier_.get(), program, std::move(metadata));
    const absl::Duration took = absl::Now() - begin;
    RecordProperty("milliseconds", static_cast<int>(absl::ToInt64Milliseconds(took)));
    printf("contained in %.2f s, score %g: %s", absl::ToDoubleSeconds(took), verdict.score,
           verdict.explanation.c_str());
    EXPECT_LE(took, limit + std::max({1.0, busy_before, ProgramsPerCore()}) * kGrace);
    return verdict;
  }
  // With tests of any kind: the process of asserts has its own time on top.
  Verdict Timed(const std::string& program, std::map<std::string, std::string> metadata) {
    return Timed(program, std::move(metadata), 2 * wall());
  }
  absl::Duration wall() const { return verifier_->sandbox().limits().wall; }
  // Run as a whole, with `output` wanted.
  Verdict Run(const std::string& program, const std::string& output = "70003") {
    const Json tests = Json::array({{{"input", "3"}, {"output", output}}});
    return Timed(program, {{"tests", tests.dump()}}, wall());
  }
  Verdict Call(const std::string& program) {
    return Timed(program, {{"tests", kCalls}, {"entry_point", "f"}}, wall());
  }
  Verdict Assert(const std::string& program) {
    return Timed(program, {{"tests", kAsserts}, {"entry_point", "f"}});
  }

  // It was judged and found wanting, in the way that is named.
  static void ExpectFailed(const Verdict& verdict, const std::string& component,
                           const std::string& explanation) {
    EXPECT_EQ(verdict.kind, VerdictKind::kScored) << verdict.reason;
    EXPECT_EQ(verdict.score, 0.0);
    EXPECT_GE(verdict.components.at(component), 1.0) << verdict.explanation;
    EXPECT_THAT(verdict.explanation, HasSubstr(explanation));
  }
  static void ExpectNoPass(const Verdict& verdict) {
    EXPECT_EQ(verdict.kind, VerdictKind::kScored) << verdict.reason;
    EXPECT_EQ(verdict.score, 0.0);
    EXPECT_EQ(verdict.components.at("passed"), 0.0) << verdict.explanation;
  }

  const std::string secret_folder_ = absl::StrCat("/tmp/tpo-hostile-", getpid());
  std::unique_ptr<CodeVerifier> verifier_;
};

INSTANTIATE_TEST_SUITE_P(, HostileProgramsTest,
                         ::testing::Values(Isolation::kNamespaces, Isolation::kBubblewrap,
                                           Isolation::kNoNamespaces),
                         [](const auto& tested) {
                           return std::string(IsolationName(tested.param));
                         });

// Time

TEST_P(HostileProgramsTest, InfiniteLoop) {
  ExpectFailed(Run("while True: pass"), "over_limit", "went over the limit of");
}

TEST_P(HostileProgramsTest, InfiniteLoopThatIgnoresTheSignal) {
  ExpectFailed(
      Run("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"),
      "over_limit", "went over the limit of");
}

TEST_P(HostileProgramsTest, InfiniteLoopInACall) {
  ExpectFailed(Call("def f(n):\n  while True: pass"), "over_limit", "went over the limit of");
}

TEST_P(HostileProgramsTest, InfiniteLoopUnderAsserts) {
  ExpectFailed(Assert("def f(n):\n  while True: pass"), "over_limit", "");
}

TEST_P(HostileProgramsTest, SleepsForever) {
  ExpectFailed(Run("import time\ntime.sleep(10000)"), "over_limit", "2s of time");
}

TEST_P(HostileProgramsTest, ClosesItsChannelAndSleeps) {
  ExpectFailed(Call("import os, time\ndef f(n):\n  os.close(3)\n  time.sleep(10000)"), "over_limit",
               "2s of time");
}

TEST_P(HostileProgramsTest, StopsItself) {
  ExpectNoPass(Run("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"));
}

// Memory and output

TEST_P(HostileProgramsTest, AllocatesTenGigabytes) {
  ExpectFailed(Run("x = bytearray(10 << 30)"), "crashed", "MemoryError");
}

TEST_P(HostileProgramsTest, AllocatesBitByBit) {
  AllowTime();
  ExpectFailed(Run("x = []\nwhile True: x.append(bytearray(1 << 20))"), "crashed", "MemoryError");
}

TEST_P(HostileProgramsTest, MemoryThatNoLimitCounts) {
  // memfd_create and shmget: neither is address space of the process while it isn't mapped.
  ExpectNoPass(
      Run("import ctypes, os\nlibc = ctypes.CDLL(None)\n"
          "print(os.memfd_create('x')) if libc.shmget(0, 1 << 30, 0o1777) < 0 else 0"));
}

TEST_P(HostileProgramsTest, WritesAGigabyte) {
  ExpectFailed(Run("import os\nfor i in range(1 << 14): os.write(1, b'x' * 65536)"), "over_limit",
               "wrote more than 1048576 bytes");
  ExpectFailed(Run("import os\nfor i in range(1 << 14): os.write(2, b'x' * 65536)"), "over_limit",
               "wrote more than 1048576 bytes");
}

TEST_P(HostileProgramsTest, WritesAGigabyteInACall) {
  ExpectFailed(Call("import os\ndef f(n):\n  for i in range(1 << 14): os.write(1, b'x' * 65536)"),
               "over_limit", "wrote more than");
  ExpectFailed(Call("import os\ndef f(n):\n  for i in range(1 << 14): os.write(3, b'x' * 65536)"),
               "over_limit", "wrote more than");
}

TEST_P(HostileProgramsTest, WritesAHugeFile) {
  ExpectFailed(
      Run("with open('big', 'wb') as f:\n  for i in range(1 << 14): f.write(b'x' * 65536)"),
      "crashed", "File too large");
}

TEST_P(HostileProgramsTest, WritesManyFiles) {
  if (GetParam() == Isolation::kNoNamespaces) GTEST_SKIP() << "only bounded by a mount namespace";
  ExpectFailed(
      Run("for i in range(1000):\n  with open(str(i), 'wb') as f: f.write(b'x' * 1000000)"),
      "crashed", "No space left");
}

// Processes

TEST_P(HostileProgramsTest, ForkBombWithoutProcesses) {
  ExpectFailed(Run("import os\nwhile True: os.fork()"), "crashed", "PermissionError");
}

TEST_P(HostileProgramsTest, ForkBomb) {
  AllowProcesses();
  ExpectFailed(Run("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"),
               "over_limit", "");
}

TEST_P(HostileProgramsTest, ThreadBomb) {
  ExpectNoPass(
      Run("import threading, time\nwhile True:\n"
          "  threading.Thread(target=time.sleep, args=(1000,)).start()"));
}

constexpr char kDaemon[] = R"(
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(10000)
    os._exit(0)
os.wait()
print(70003)
)";

TEST_P(HostileProgramsTest, OrphanedGrandchildren) {
  AllowProcesses();
  // The answer is right, and the daemon that holds on to the output delays nothing.
  EXPECT_EQ(Run(kDaemon).score, 1.0);
  EXPECT_EQ(LeftoverProcesses(), 0);
}

TEST_P(HostileProgramsTest, OrphansThatForkOn) {
  AllowProcesses();
  EXPECT_EQ(Run(absl::StrReplaceAll(kDaemon, {{"time.sleep(10000)", R"(
        while True:
            try:
                if os.fork() == 0: os.setsid()
            except OSError: pass
)"}})).score,
            1.0);
  EXPECT_EQ(LeftoverProcesses(), 0);
}

TEST_P(HostileProgramsTest, SignalsTheService) {
  AllowProcesses();
  const std::string program = absl::StrCat(R"(
import os, signal
for pid in (os.getppid(), )",
                                           getpid(), ", ", getppid(), R"(, 1):
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(pid, number)
        except OSError: pass
try: os.kill(-1, signal.SIGTERM)
except OSError: pass
print(70003)
)");
  // That this test goes on is the proof.
  EXPECT_EQ(Run(program).score, 1.0);
}

TEST_P(HostileProgramsTest, SignalsTheServiceThroughAPipe) {
  // Landlock refuses it too, on Linux 6.12 and later.
  CodeVerifierOptions options = TestOptions(GetParam());
  options.sandbox.disabled_layers |= kLayerLandlock;
  options.sandbox.required_layers &= ~uint32_t{kLayerLandlock};
  Start(options);
  const std::string program = absl::StrCat(R"(
import fcntl, os, signal
F_SETSIG = 10
for pid in (os.getppid(), )",
                                           getpid(), ", ", -getpgrp(), R"(, 1):
    for number in (signal.SIGTERM, signal.SIGKILL):
        read_end, write_end = os.pipe()
        try:
            fcntl.fcntl(read_end, fcntl.F_SETOWN, pid)
            fcntl.fcntl(read_end, F_SETSIG, number)
            fcntl.fcntl(read_end, fcntl.F_SETFL, os.O_ASYNC)
        except OSError: pass
        os.write(write_end, b'x')
print(70003)
)");
  // That this test goes on is the proof.
  EXPECT_EQ(Run(program).score, 1.0);
}

// Files, environment, network

TEST_P(HostileProgramsTest, ReadsASecretOfTheService) {
  std::ofstream(secret_folder_ + "/secret") << "70003";
  const std::string program = "print(open('" + secret_folder_ + "/secret').read())";
  ExpectFailed(Run(program), "crashed", "Error");
  ExpectFailed(Run("print(open('/etc/passwd').read())", "root"), "crashed", "Error");
}

TEST_P(HostileProgramsTest, ReadsTheEnvironmentOfTheService) {
  setenv("TPO_TEST_SECRET", "70003", 1);
  ExpectNoPass(Run("import os\nprint(os.environ.get('TPO_TEST_SECRET'))"));
  ExpectNoPass(Run(absl::StrCat("print(open('/proc/", getpid(), "/environ').read())")));
  ExpectNoPass(Run("import os\nprint(open('/proc/%d/environ' % os.getppid()).read())"));
  unsetenv("TPO_TEST_SECRET");
}

TEST_P(HostileProgramsTest, FindsNoDescriptorsOfTheService) {
  const int leaked = open("/etc/hostname", O_RDONLY);  // without O_CLOEXEC
  EXPECT_EQ(Run(R"(
import os
def is_open(number):
    try: os.fstat(number)
    except OSError: return False
    return True
print([number for number in range(64) if is_open(number)])
)",
                "[0, 1, 2]")
                .score,
            1.0);
  close(leaked);
}

TEST_P(HostileProgramsTest, WritesOutsideOfTheWorkDirectory) {
  ExpectFailed(Run("open('" + secret_folder_ + "/planted', 'w').write('x')"), "crashed", "Error");
  EXPECT_FALSE(std::filesystem::exists(secret_folder_ + "/planted"));
  ExpectNoPass(Run("open('/usr/lib/planted', 'w')"));
}

TEST_P(HostileProgramsTest, Network) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<struct sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  getsockname(listener, reinterpret_cast<struct sockaddr*>(&address), &length);
  const std::string port = absl::StrCat(ntohs(address.sin_port));
  for (const std::string& target :
       {"('127.0.0.1', " + port + ")", std::string("('1.1.1.1', 53)")}) {
    ExpectFailed(Run("import socket\nsocket.create_connection(" + target + ", 1)\nprint(70003)"),
                 "crashed", "PermissionError");
  }
  for (const std::string kind : {"AF_UNIX", "AF_INET6", "AF_NETLINK", "AF_PACKET"}) {
    ExpectNoPass(
        Run("import socket\nsocket.socket(socket." + kind + ", socket.SOCK_DGRAM)\nprint(70003)"));
  }
  EXPECT_LT(accept(listener, nullptr, nullptr), 0);
  close(listener);
}

TEST_P(HostileProgramsTest, SystemCallsThatItHasNoUseFor) {
  // By number, since the C library has no functions for some. Each returns -1; those that take
  // pointers would complain about them (EFAULT, 14) if they were let in.
  const std::string program = R"(
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
numbers = {'ptrace': 101, 'mount': 165, 'umount2': 166, 'pivot_root': 155, 'chroot': 161, 'bpf': 321,
           'perf_event_open': 298, 'keyctl': 250, 'add_key': 248, 'io_uring_setup': 425, 'unshare': 272, 'setns': 308,
           'userfaultfd': 323, 'process_vm_readv': 310, 'process_vm_writev': 311, 'kexec_load': 246,
           'init_module': 175, 'reboot': 169, 'personality': 135, 'open_by_handle_at': 304, 'clone3': 435,
           'pidfd_open': 434, 'pidfd_getfd': 438, 'memfd_create': 319, 'mknod': 133, 'setuid': 105, 'chown': 92,
           'acct': 163, 'swapon': 167, 'syslog': 103, 'quotactl': 179, 'fanotify_init': 300, 'seccomp': 317,
           'open_tree': 428, 'move_mount': 429, 'fsopen': 430, 'mount_setattr': 442, 'prctl_dumpable': 157}
def refused(name, number):
    arguments = [4, 1, 0, 0, 0, 0] if name == 'prctl_dumpable' else [0] * 6
    return libc.syscall(number, *map(ctypes.c_long, arguments)) == -1 and ctypes.get_errno() in (1, 38)
print([name for name, number in numbers.items() if not refused(name, number)])
)";
#if defined(__x86_64__)
  EXPECT_EQ(Run(program, "[]").score, 1.0);
#endif
}

TEST_P(HostileProgramsTest, RunsAProgramThatItWrote) {
  AllowProcesses();
  ExpectNoPass(Run(R"(
import os, shutil
shutil.copyfile('/usr/bin/env', 'program')
os.chmod('program', 0o755)
os.execv('./program', ['echo', '70003'])
)"));
}

TEST_P(HostileProgramsTest, SymbolicLinksInTheWorkDirectory) {
  AllowTime();
  std::ofstream(secret_folder_ + "/precious") << "70003";
  const std::string program = absl::StrReplaceAll(R"(
import os
os.symlink('FOLDER', 'link')
os.symlink('FOLDER/precious', 'file')
os.mkdir('closed')
os.symlink('FOLDER', 'closed/link')
os.chmod('closed', 0)
os.symlink('.', 'self')
os.symlink('/', 'root')
for name in ('link', 'file', 'self/link'):
    try: os.rename(name, name + '2')
    except OSError: pass
# Deeper than any path can be.
for i in range(3000):
    os.mkdir('d'); os.chdir('d')
os.symlink('FOLDER', 'link')
print(70003)
)",
                                                  {{"FOLDER", secret_folder_}});
  EXPECT_EQ(Run(program).score, 1.0);
  EXPECT_TRUE(std::filesystem::exists(secret_folder_ + "/precious"));
}

// The judge

TEST_P(HostileProgramsTest, ExitsBeforeTheTests) {
  ExpectFailed(Call("import os\nos._exit(0)\ndef f(n): return n"), "crashed",
               "exited with status 0");
  ExpectFailed(Call("import os\ndef f(n): os._exit(0)"), "crashed", "exited with status 0");
  ExpectFailed(Assert("import os\ndef f(n): os._exit(0)"), "crashed", "");
  ExpectFailed(Assert("import sys\nsys.exit(0)"), "crashed", "SystemExit");
  ExpectFailed(Run("import os\nos._exit(0)"), "wrong", "");
}

TEST_P(HostileProgramsTest, ChangesTheComparison) {
  const std::string equal_to_all = R"(
class Same:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
class Number(int):
    __eq__ = Same.__eq__
    __ne__ = Same.__ne__
    __hash__ = Same.__hash__
    def __int__(self): return 70003
)";
  for (const std::string value : {"Same()", "Number(1)", "[Number(1)]", "{Same(): 1}"}) {
    ExpectNoPass(Call(equal_to_all + "def f(n): return " + value));
    ExpectNoPass(Assert(equal_to_all + "def f(n): return " + value));
  }
}

TEST_P(HostileProgramsTest, ChangesWhatTheHarnessUses) {
  const std::string program = R"(
import builtins, json, os, sys
main = sys.modules['__main__']
for module in (builtins, json, os, main):
    for name in ('isinstance', 'encode', 'decode', 'send', 'find'):
        if hasattr(module, name): setattr(module, name, lambda *a, **k: True)
json.dumps = lambda *a, **k: '{"value": true}'
sys.modules['unittest'] = None
builtins.AssertionError = Exception
builtins.all = builtins.any = lambda *a: True
def f(n): return 0
)";
  ExpectNoPass(Call(program));
  ExpectNoPass(Assert(program));
}

TEST_P(HostileProgramsTest, PrintsThatItPassed) {
  const std::string lies =
      R"('{"value": null}\n{"result": 0, "passed": true}\n{"result": 1, "passed": true}\n{"done": true}\n')";
  const std::string program = R"(
import os
print('OK\n2 passed', flush=True)
for descriptor in range(1, 20):
    try: os.write(descriptor, )" +
                              lies + R"(.encode())
    except OSError: pass
def f(n): return 0
)";
  ExpectNoPass(Call(program));
  ExpectNoPass(Assert(program));
  ExpectNoPass(Run("print('OK\\n1 passed')"));
}

TEST_P(HostileProgramsTest, LooksForTheExpectedValue) {
  // Numbers above 70000 in anything that can be reached from here.
  const std::string program = R"(
import gc, sys
def f(n):
    frame, found = sys._getframe(), set()
    while frame:
        for values in (frame.f_locals, frame.f_globals): found |= {v for v in values.values() if type(v) is int}
        frame = frame.f_back
    for thing in gc.get_objects():
        try: found |= {v for v in (thing.values() if type(thing) is dict else thing) if type(v) is int}
        except Exception: pass
    near = [v for v in found if v - n == 70_000]
    return near[0] if near else 0
)";
  ExpectNoPass(Call(absl::StrReplaceAll(program, {{"70_000", "7 * 10**4"}})));
  ExpectNoPass(Assert(absl::StrReplaceAll(program, {{"70_000", "7 * 10**4"}})));
}

TEST_P(HostileProgramsTest, AnswersAtItsEnd) {
  ExpectNoPass(
      Call("import atexit, os\natexit.register(lambda: os.write(3, b'{\"value\": 1}\\n'))\n"
           "def f(n): raise SystemExit(0)"));
}

TEST_P(HostileProgramsTest, EndsTheLoopsOfTests) {
  const std::map<std::string, std::string> metadata = {
      {"tests", "assert all(map(lambda n: f(n) == 70000 + n, range(9)))"}, {"entry_point", "f"}};
  for (const std::string kind : {"StopIteration", "GeneratorExit", "SystemExit",
                                 "KeyboardInterrupt", "StopAsyncIteration", "BaseException"}) {
    ExpectNoPass(Timed("def f(n): raise " + kind, metadata));
    ExpectNoPass(Timed(
        "class E(" + kind + "): pass\nE.__name__ = 'StopIteration'\ndef f(n): raise E", metadata));
  }
}

TEST_P(HostileProgramsTest, ReturnsWhatKeepsTheTestsBusy) {
  const std::map<std::string, std::string> metadata = {
      {"tests", "for i in range(f(3)): pass\nassert f(3) == 70003"}, {"entry_point", "f"}};
  ExpectFailed(Timed("def f(n): return 10**15", metadata), "over_limit",
               "the process of the tests");
}

TEST_P(HostileProgramsTest, ClosesAndCopiesDescriptors) {
  ExpectNoPass(Call("import os\nos.closerange(0, 100)\ndef f(n): return 70000 + n"));
  ExpectNoPass(Call("import os\nos.dup2(1, 3)\ndef f(n): return 70000 + n"));
  ExpectNoPass(Call("import os\ndef f(n):\n  [os.dup(3) for i in range(1000)]"));
}

TEST_P(HostileProgramsTest, RecursesWithoutEnd) {
  ExpectFailed(Call("def f(n): return f(n)"), "crashed", "RecursionError");
  ExpectNoPass(Call("import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n) + f(n)"));
  ExpectNoPass(
      Call("import sys, threading\nsys.setrecursionlimit(10**9)\nclass A:\n"
           "  def __getattr__(s, n): return getattr(s, n)\ndef f(n): return A().x"));
}

TEST_P(HostileProgramsTest, ReturnsBombs) {
  ExpectNoPass(Call("def f(n): return 10**10000"));
  ExpectNoPass(Call("def f(n): return 'x' * (1 << 27)"));
  ExpectNoPass(Call("def f(n):\n  x = []\n  for i in range(100000): x = [x]\n  return x"));
  ExpectNoPass(Call("def f(n):\n  x = []\n  x.append(x)\n  return x"));
  ExpectNoPass(Call("def f(n):\n  x = []\n  for i in range(60): x = [x, x]\n  return x"));
  for (const std::string bytes :
       {"b'[' * 500000 + b'\\n'", "b'\\xff\\xfe\\n'", "b'\\n'",
        "b'{\"value\": ' + b'{\"a\":' * 5000 + b'1' + b'}' * 5001 + b'\\n'",
        "b'{\"value\": 1e999}\\n'", "b'{\"value\": {\"d\": 3}}\\n'",
        "b'{\"value\": {\"t\": {\"i\": []}}}\\n'", "b'{\"error\": 5}\\n'"}) {
    ExpectNoPass(Call("import os\ndef f(n): os.write(3, " + bytes + ")"));
    ExpectNoPass(Assert("import os\ndef f(n): os.write(3, " + bytes + ")"));
  }
}

TEST_P(HostileProgramsTest, ReturnsNaN) {
  const std::map<std::string, std::string> metadata = {
      {"tests", "assert not abs(f(3) - 70003) > 1e-6"}, {"entry_point", "f"}};
  ExpectNoPass(Timed("def f(n): return float('nan')", metadata));
  ExpectNoPass(Call("def f(n): return float('nan')"));
  ExpectNoPass(Call("import os\ndef f(n): os.write(3, b'{\"value\": NaN}\\n')"));
  // Not written as NaN, but NaN to who would put it together.
  ExpectNoPass(Timed(R"(
import os
def f(n):
    os.write(3, b'{"value": {"c": [{"c": [{"f": "inf"}, 0]}, {"c": [0, {"f": "inf"}]}]}}\n')
)",
                     metadata));
}

}  // namespace
}  // namespace tpo

"""What submissions that mean harm do, and what must come of it. ``{outside}`` is a folder that none should see.

Those of `REFUSED` and `DEADLY` are bodies of a function that a submission calls before its answers are judged.
"""

# A system call by its number on x86_64 and on aarch64; the rest is its arguments.
CALL = (
    "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "n = {numbers}[platform.machine() == 'aarch64']\n"
    "if libc.syscall(n, {rest}) < 0:\n    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))"
)


def call(numbers: tuple[int, int], rest: str) -> str:
    return CALL.replace("{numbers}", str(numbers)).replace("{rest}", rest)


# Each ends in an exception that its note names, and the submission lives on.
REFUSED = {
    "exits": ("sys.exit(0)", "SystemExit"),
    "recurses": ("f = lambda n: f(n + 1)\nf(0)", "RecursionError"),
    "takes all memory at once": ("bytearray(10**13)", "MemoryError"),
    "takes memory by and by": ("x = []\nwhile True:\n    x.append(bytearray(10**7))", "MemoryError"),
    "fills the disk": ("for n in range(99):\n    open(f'/tmp/f{n}', 'wb').write(bytes(10**8))", "No space left"),
    "reads solutions": ("raise OSError(open('{outside}/hidden.py').read())", "No such file"),
    "rewrites another's file": ("open('{outside}/anna.ipynb', 'w').write('')", "No such file"),
    "deletes by a descriptor": (
        "d = os.open('/', os.O_RDONLY)\nos.unlink('{outside}/hidden.py'[1:], dir_fd=d)",
        "No such file",
    ),
    "saves by PyTorch": ("torch.save(torch.ones(1), '{outside}/new.pt')", "does not exist"),
    "maps a file": (
        "torch.from_file('{outside}/hidden.py', shared=True, size=4, dtype=torch.uint8).fill_(0)",
        "No such file",
    ),
    "opens a database": (
        "import sqlite3\nsqlite3.connect('{outside}/new.db').execute('create table t (x)')",
        "unable to open",
    ),
    "makes a pipe": ("os.mkfifo('{outside}/1_small.csv')", "No such file"),
    "patches what looks up paths": (
        "import posixpath\nposixpath.realpath = lambda *a, **k: '/tmp'\nopen('{outside}/new', 'w').write('')",
        "No such file",
    ),
    "starts programs": (
        "import subprocess\nsubprocess.run(['touch', '{outside}/new'], check=True)",
        "returned non-zero",
    ),
    "starts programs from below": (
        "import subprocess, _posixsubprocess\nif subprocess.call('touch {outside}/new', shell=True):\n"
        "    raise OSError('not touched')",
        "not touched",
    ),
    "patches the course's library": (
        "import replaylib\nopen(replaylib.__file__, 'a').write('x = 1')",
        "Error",
    ),
    "plants a module": (
        "import pathlib\npathlib.Path(torch.__file__).with_name('planted.py').write_text('')",
        "Read-only file",
    ),
    "unmounts": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.umount2(b'/tmp', 2):\n    raise OSError(ctypes.get_errno(), 'not unmounted')",
        "not unmounted",
    ),
    "makes a namespace of its own": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.unshare(0x10020000):\n    raise OSError(ctypes.get_errno(), 'no namespace')",
        "no namespace",
    ),
    "looks at other processes": (
        "raise OSError(f'{sum(name.isdigit() for name in os.listdir(chr(47) + \"proc\")) < 5} that there are few')",
        "True that there are few",
    ),
    "tells the environment": ("raise OSError(sorted(os.environ))", "USER"),
    "asks the network": ("import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=3)", "unreachable"),
    "kills everyone": ("os.kill(-1, 9)", "No such process"),
    "kills what has started it": (
        "try:\n    os.kill(os.getppid(), 9)\nfinally:\n    raise OSError('still here')",
        "still here",
    ),
    "leaves a key in the kernel": (
        call((248, 217), "b'user', b'message', b'q1', 2, ctypes.c_int(-3)"),
        "not permitted",
    ),
    "makes a namespace by a clone": (call((56, 220), "0x10000011, 0, 0, 0, 0"), "not permitted"),
    "shares memory that is no process's": (call((29, 194), "0, 10**8, 0o1600"), "not permitted"),
    "makes files without a name": ("os.memfd_create('m')", "not permitted"),
    "queues work in the kernel": (call((425, 425), "8, ctypes.create_string_buffer(200)"), "not permitted"),
    "handles page faults": (call((323, 282), "0"), "not permitted"),
    "traces what has started it": (call((101, 117), "16, os.getppid(), 0, 0"), "not permitted"),
    "reads another process's memory": ("open('/proc/1/mem', 'rb').read(1)", "Error"),
    "makes a device of all its own": ("os.chmod('/dev/null', 0o666)", "Error"),
    "makes a device": ("os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0))", "not permitted"),
    "becomes root": ("os.setuid(0)", "Error"),
    "links to a file outside": (
        "os.symlink('{outside}', '/tmp/out')\nopen('/tmp/out/anna.ipynb', 'w').write('')",
        "No such file",
    ),
    "links hard to the course": (
        "import replaylib\nos.link(replaylib.__file__, '/tmp/hard')",
        "cross-device",
    ),
    "dumps its core": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (-1, -1))",
        "not allowed to raise",
    ),
    "calls a program outside, by a name that is no file": (
        "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{outside}')",
        "refused",
    ),
    "says where cores are dumped": ("open('/proc/sys/kernel/core_pattern', 'r+')", "Error"),
    "asks for a restart": ("open('/proc/sysrq-trigger', 'w')", "Error"),
    "reads the kernel's memory": ("open('/proc/kcore', 'rb').read(1)", "Error"),
    "sets the clock": ("import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)", "not permitted"),
    "comes first": ("os.nice(-10)", "not permitted"),
    "types at the terminal": ("os.open('/dev/tty', os.O_RDWR)", "No such device"),
    "writes on the instructor's screen": (
        "raise OSError('\\x1b[2J\\r\\nanna.ipynb,anna,,12')",
        "[2J",
    ),
    "has an exception that acts": (
        "class Told(Exception):\n    def __str__(self):\n        os._exit(0)\nraise OSError('x') from Told()",
        "OSError: x",
    ),
    "leaves a message": (
        "for p in ('/dev/shm', '/tmp'):\n    open(f'{p}/message', 'w').write('q1')\nraise OSError('written')",
        "written",
    ),
}

# Each ends the submission's process; it begins anew without the statement.
DEADLY = {
    "hangs": ("while True:\n    pass", "time limit"),
    "ignores signals": (
        "import signal\nfor s in (1, 2, 15):\n    signal.signal(s, signal.SIG_IGN)\nwhile True:\n    pass",
        "time limit",
    ),
    "leaves": ("os._exit(0)", "the process ended"),
    "forks": ("while True:\n    os.fork()", "it "),
    "writes into every pipe": (
        "for n in range(3, 50):\n    try:\n        os.write(n, b'{' * 100)\n    except OSError: pass",
        "an answer",
    ),
}

# Holds memory in processes of its own. When they are counted decides whether this statement is ended or a later one.
HELD = (
    "import mmap, time\nheld = []\nfor n in range(9):\n    if os.fork():\n        time.sleep(60)\n"
    "    for m in range(4):\n        held.append(mmap.mmap(-1, 10**8))\n        held[-1].write(bytes(10**8))\n"
    "        held[-1].madvise(mmap.MADV_DONTNEED)"
)

# Starts threads, which no watch counts, until it may not; they end with it.
THREADS = (
    "import threading\nend, started = threading.Event(), 0\ntry:\n    while started < 10**4:\n"
    "        threading.Thread(target=end.wait, daemon=True).start()\n        started += 1\nexcept RuntimeError:\n"
    "    pass\nend.set()\nraise OSError(f'{started} threads')"
)

# What changes nothing and is not worth a note, or costs more time than a test has; see `tests/crowd.py`.
ALSO = {
    "floods what it prints": ("for n in range(10**4):\n    print('x' * 10**4)", ""),
    "patches PyTorch": ("torch.allclose = torch.equal = lambda *a, **k: True\ntorch.Tensor.sum = None", ""),
    "stops itself": ("os.kill(os.getpid(), 19)", "time limit"),
    "crashes": ("import ctypes\nctypes.string_at(1)", "the process ended"),
    "rewrites its own memory": ("open('/proc/self/mem', 'r+b').write(b'')", ""),
    "lowers its own limits": ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))", ""),
    "leaves a child behind": ("if os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(10**6)", ""),
    "asks to be woken": ("import signal\nsignal.signal(14, signal.SIG_IGN)\nsignal.setitimer(0, 0.01, 0.01)", ""),
    "turns the clock of the process": ("import time\ntime.monotonic = time.time = lambda: 10**12", ""),
}

# Answers that act while they are looked at: what is defined, and how many of the four points that costs.
ANSWERS = {
    "an array that ends the process": (
        "class A:\n    def __array__(self, *a, **k):\n        import os\n        os._exit(0)\n"
        "def double(x):\n    return A()",
        2,
    ),
    "an array without an end": (
        "import numpy as np\nclass A:\n    def __array__(self, *a, **k):\n        return np.zeros(10**12)\n"
        "def double(x):\n    return A()",
        2,
    ),
    "a pickle that acts": (
        "class R:\n    def __reduce__(self):\n        import os\n        return (os.system, ('touch /tmp/x',))\n"
        "def double(x):\n    return R()",
        2,
    ),
    "always equal": (
        "class E(float):\n    __eq__ = __le__ = __ge__ = lambda *a: True\n    __hash__ = None\n"
        "def double(x):\n    return [E(1), E(1)]",
        2,
    ),
    "a list in itself": ("loop = []\nloop.append(loop)\ndef double(x):\n    return loop", 2),
    "a number of ten thousand digits": ("def double(x):\n    return 10**10000", 2),
    "a backward pass without an end": (
        "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return 2 * x\n"
        "    @staticmethod\n    def backward(ctx, g):\n        while True:\n            pass\n"
        "def double(x):\n    return F.apply(x)",
        2,
    ),
    "an exception of the grader's name": (
        "class NotGraded(Exception):\n    pass\nclass BrokenBorder(BaseException):\n    pass\n"
        "def double(x):\n    raise NotGraded('x')\ndef draw(n, generator):\n    raise BrokenBorder('x')",
        3,
    ),
}

# Answers that do harm when they are called: for some questions of a submission, source and what the hint says.
CALLED = [
    {
        "q1": ("def double(x):\n    while True:\n        pass", "time limit"),
        "q2": ("def draw(n, generator):\n    import os\n    os._exit(0)", "the process ended"),
    },
    {
        "q1": (
            "def double(x):\n    return [[] for _ in range(20_000_000)]  # sixty megabytes of empty lists",
            "your code",
        ),
        "q3": (
            "class Slow:\n    def __len__(self):\n        return 10**6\n"
            "    def __getitem__(self, k):\n        import time\n        time.sleep(1)\n        return 1.0\n"
            "def teacher(net):\n    return lambda x: Slow()",
            "your code",
        ),
    },
    {
        "q1": (
            "class Lazy(list):\n    def __iter__(self):\n        while True:\n            yield 1\n"
            "def double(x):\n    return Lazy([1])",
            "your code",
        ),
    },
]

# What untouched notebooks try for points.
CHEATS = [
    (
        "import builtins, torch\nprint('q1 passed! all tests passed, score 4 / 4')\n"
        "torch.allclose = torch.equal = lambda *a, **k: True\ntorch.Tensor.__eq__ = lambda *a: True\n"
        "builtins.AssertionError = type('Never', (Exception,), {})"
    ),
    (
        "class Yes(float):\n    __eq__ = __lt__ = __ge__ = lambda *a: True\n    __hash__ = None\n"
        "double = draw = teacher = lambda *a: Yes(75)"
    ),
    (
        "import gc, json, os, struct\nfor one in gc.get_objects():\n    if type(one).__name__ == 'Server':\n"
        "        for n in range(1, 2000):\n            text = json.dumps({'id': n, 'value': [True, 7.0]}).encode()\n"
        "            one.end.sendall(struct.pack('>Q', len(text)) + text)"
    ),
    (
        "import sys\nserver = sys.modules['grading.student']\nserver.fingerprint = lambda *a: 0\n"
        "server.encoded = lambda value, keep: {'list': [2.0, 4.0]}\nserver.state_of = lambda *a: ([], [])\n"
        "double = draw = teacher = lambda *a: [2.0, 4.0]"
    ),
]


def called_first(body: str, number: int = 0) -> str:
    """A cell that does it, and that the answers need: it binds a name that they look up."""
    inner = body.replace("\n", "\n    ")
    name = f"harm_{number}"
    return f"def {name}():\n    import os, sys, torch\n    {inner}\n\ntry:\n    {name}()\nfinally:\n    import copy\n"

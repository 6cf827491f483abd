"""What submissions that mean harm do, and what must come of it. ``{outside}`` is a folder that none should see.

Each is the body of a function that a submission calls before its answers are judged.
"""

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
        "Read-only file",
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
    "kills what has started it": ("os.kill(os.getppid(), 9)\nraise OSError('still here')", "still here"),
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
    "holds memory in files without a name": (
        "held = []\nfor n in range(100):\n    held.append(os.memfd_create('m'))\n    os.write(held[-1], bytes(10**8))\n"
        "import time\ntime.sleep(60)",
        "",  # what it took, or, on a busy machine, its time
    ),
    "writes into every pipe": (
        "for n in range(3, 50):\n    try:\n        os.write(n, b'{' * 100)\n    except OSError: pass",
        "an answer",
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
]


def called_first(body: str, number: int = 0) -> str:
    """A cell that does it, and that the answers need: it binds a name that they look up."""
    inner = body.replace("\n", "\n    ")
    name = f"harm_{number}"
    return f"def {name}():\n    import os, sys, torch\n    {inner}\n\ntry:\n    {name}()\nfinally:\n    import copy\n"

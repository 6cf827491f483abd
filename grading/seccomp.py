"""System calls that a submission is refused, as the filter that bubblewrap loads (`--seccomp`).

All of them reach what namespaces do not divide, or hold memory that is no process's: the kernel's keys, which outlive a
process; shared memory, message queues and files without a name, which no count of processes' memory sees; and ways into
other processes or into the kernel itself. Containers have a filter of their own, and count all memory.
"""

import platform
import struct
import tempfile
from typing import IO

# Numbers on x86_64 and on aarch64: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
REFUSED = {
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "bpf": (321, 280),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "personality": (135, 92),
}  # fmt: skip
# The name of the processor for the kernel (AUDIT_ARCH_...), and the column above.
PROCESSORS = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
LOAD, EQUAL, AT_LEAST, HAS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of Linux's classic BPF
ALLOWED, NOT_PERMITTED, NOT_THERE, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
NUMBER, PROCESSOR, FIRST = 0, 4, 16  # where a call's number, its processor and its first argument are read
# A new user namespace would give capabilities within it. clone says in its first argument whether it makes one; of
# clone3 a filter cannot see that: it is said not to be there, and the C library takes clone.
CLONE, CLONE3, NEW_USER = (56, 220), 435, 0x10000000
X32 = 0x40000000  # numbers from here on are a second way to the same calls on x86_64


def program(machine: str = "") -> bytes:
    """The filter for a processor (default: this one); empty where its numbers are not known here."""
    processor = PROCESSORS.get(machine or platform.machine())
    if not processor:
        return b""
    name, column = processor
    numbers = [pair[column] for pair in REFUSED.values()]
    refused = (RETURN, 0, 0, NOT_PERMITTED)
    steps = [(LOAD, 0, 0, PROCESSOR), (EQUAL, 1, 0, name), (RETURN, 0, 0, KILLED), (LOAD, 0, 0, NUMBER)]
    steps += [(EQUAL, 0, 3, CLONE[column]), (LOAD, 0, 0, FIRST), (HAS, len(numbers) + 5, 0, NEW_USER)]
    steps += [(RETURN, 0, 0, ALLOWED), (EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, NOT_THERE)]
    steps += [(AT_LEAST, len(numbers) + 1, 0, X32)]
    steps += [(EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(RETURN, 0, 0, ALLOWED), refused]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def opened() -> IO[bytes]:
    """A file that holds the filter, from its beginning."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by whoever asked for it)
    file.write(program())
    file.seek(0)
    return file

"""What a worker gives up before it sees a program: user, files, processes, memory, system calls.

The interpreter of `evaluate` has no way to any of these. The limits are for the day on which it is
found to have one. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys

NOBODY = 65534
MEMORY_BYTES = 512 * 2**20
# Of the worker's whole life, which is at most `process.PROGRAMS_A_WORKER` programs long.
CPU_SECONDS = 60

LIMITS = {
    resource.RLIMIT_AS: MEMORY_BYTES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: CPU_SECONDS,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}


def confine() -> dict[str, int | bool]:
    """Confine this process for good; the user it then runs as, and whether calls are filtered.

    OSError where a limit cannot be set, or where root cannot become another user.
    """
    os.chdir("/")
    if os.geteuid() == 0:  # RLIMIT_NPROC does not bind root, and root may do anything to files
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    for limit, wanted in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (value, value))
    return {"user": os.getuid(), "filter": filter_system_calls()}


# ------------------------------------------------------------ the kernel's filter (seccomp)

# What the interpreter needs to read, compute, answer and end; nothing that opens, connects,
# starts, signals or removes anything. Numbers of the Linux ABI: audit name, then system calls.
ARCHITECTURES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            **{"read": 0, "write": 1, "close": 3, "mmap": 9, "mprotect": 10, "munmap": 11},
            **{"brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15},
            **{"mremap": 25, "madvise": 28, "setitimer": 38, "exit": 60, "gettimeofday": 96},
            **{"sigaltstack": 131, "futex": 202, "restart_syscall": 219, "clock_gettime": 228},
            **{"exit_group": 231, "getrandom": 318},
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            **{"read": 63, "write": 64, "close": 57, "mmap": 222, "mprotect": 226, "munmap": 215},
            **{"brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139},
            **{"mremap": 216, "madvise": 233, "setitimer": 103, "exit": 93, "gettimeofday": 169},
            **{"sigaltstack": 132, "futex": 98, "restart_syscall": 128, "clock_gettime": 113},
            **{"exit_group": 94, "getrandom": 278},
        },
    ),
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # REFUSE: the call fails with EPERM


class Instruction(ctypes.Structure):
    """struct sock_filter of linux/filter.h."""

    _fields_ = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    ]


class Filter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def filter_system_calls() -> bool:
    """Let every system call that is not listed fail; False where the kernel has no such filter."""
    if platform.machine() not in ARCHITECTURES or sys.maxsize < 2**32:
        return False
    audit, calls = ARCHITECTURES[platform.machine()]
    lines = [(LOAD_WORD, 0, 0, 4), (JUMP_IF_EQUAL, 1, 0, audit), (RETURN, 0, 0, KILL)]
    lines.append((LOAD_WORD, 0, 0, 0))
    for number in calls.values():
        lines += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, REFUSE))
    program = Filter(len(lines), (Instruction * len(lines))(*lines))
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0

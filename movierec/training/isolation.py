"""A network of their own for several workers, and processes that end with the one that started them. Linux only.

TensorFlow's server of a cluster listens on every interface of the machine and asks for no password: whoever reaches it
reads and writes files as its user. TensorFlow cannot bind it to 127.0.0.1. So the workers run in a network namespace
that has the loopback interface alone: nobody outside can reach it. Run as a program, this module enters such a
namespace and becomes another command. It imports nothing of the package. Taught in notebooks/13_scale.
"""

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # of unshare(2)
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
SET_FLAGS, UP, RUNNING = 0x8914, 0x1, 0x40  # SIOCSIFFLAGS of netdevice(7)
OURS = "MOVIEREC_NETWORK"  # names the namespace that this module made, for the processes in it
TRUSTED = "MOVIEREC_TRUSTED_NETWORK"
LISTENS = (
    "TensorFlow's server of several workers listens on every interface of this machine, without a password: whoever "
    "reaches it can read and write files as you."
)
REFUSED = (
    "This machine does not give the workers a network of their own (that needs Linux, and root or user namespaces). "
    "Train with one worker; or, if you trust everybody in the network, add --trusted-network (in Python: "
    "trusted_network=True)."
)


def is_isolated() -> bool:
    """Return whether this process is in a network that `isolated` made: nobody outside can reach it."""
    return bool(os.environ.get(OURS)) and os.environ[OURS] == _network()


def is_possible() -> bool:
    """Return whether this machine lets us make a network of our own; it is tried, in a process that ends at once."""
    return _is_linux() and subprocess.run(isolated([]), capture_output=True).returncode == 0


def isolated(command: list[str]) -> list[str]:
    """Return the command that runs `command` in a network of its own, and ends it if this process ends."""
    return _wrapped("isolated", command)


def attached(command: list[str]) -> list[str]:
    """Return the command that runs `command`, and kills it if this process ends, even by SIGKILL. Linux only."""
    return _wrapped("attached", command) if _is_linux() else command


def check_trust(trusted_network: bool) -> None:
    """Raise OSError unless this process is isolated, or the network is trusted: by the argument, or by `launch`."""
    if not (trusted_network or os.environ.get(TRUSTED) or is_isolated()):
        raise OSError(f"{LISTENS} {REFUSED}")


def isolate_this_program(trusted_network: bool) -> None:
    """Start this program anew in a network of its own, in the same process; raise OSError as `check_trust`.

    Call it first: what has run until then runs twice.
    """
    if not is_isolated() and is_possible():
        os.execv(sys.executable, _wrapped("isolated", [sys.executable, *sys.argv], parent=0))
    check_trust(trusted_network)


def _wrapped(how: str, command: list[str], parent: int | None = None) -> list[str]:
    return [sys.executable, "-I", __file__, how, str(os.getpid() if parent is None else parent), *command]


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _network() -> str | None:
    return os.readlink("/proc/self/ns/net") if _is_linux() else None


def _call(function: str, *arguments) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments):
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


def _enter_own_network() -> None:
    """Enter a new network namespace, as root, or else in a user namespace with the same user; switch loopback on."""
    import fcntl

    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", NEW_NETWORK)
    except OSError:
        _call("unshare", NEW_NETWORK | NEW_USER)
        for name, text in (("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP | RUNNING))
    os.environ[OURS] = _network()


def main(how: str, parent: str, *command: str) -> None:
    """Become `command`, in a network of its own if `how` is "isolated"; without a command, only try.

    `parent` is the process with which it ends, "0" for none.
    """
    if how == "isolated":
        _enter_own_network()
    if int(parent):
        _call("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it has ended already
            sys.exit(1)
    if command:
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Steers tests/crash/shim/shim.c: counts the durable calls of a program, kills it at one of them, or lets
them fail for a while."""
import errno
import mmap
import os
import struct

FIELDS = ("count", "kill_at", "fail_from", "fail_to", "error", "calls", "half", "failed", "clock")
WRITE, SYNC, TRUNCATE, NAME, CREATE = 1, 2, 4, 8, 16
EVER = (1 << 63) - 1


class Shim:
    def __init__(self, folder, library):
        self.path = os.path.join(folder, "shim")
        with open(self.path, "wb") as f:
            f.write(bytes(8 * len(FIELDS)))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8 * len(FIELDS))
        self.env = dict(os.environ, LD_PRELOAD=library, VD_SHIM=self.path)
        # the sanitizer's library would like to be the first one
        self.env["ASAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))

    def __getattr__(self, name):
        return struct.unpack_from("<Q", self.map, 8 * FIELDS.index(name))[0]

    def set(self, **fields):
        for name, value in fields.items():
            struct.pack_into("<Q", self.map, 8 * FIELDS.index(name), value & ((1 << 64) - 1))

    def kill_at_nth(self, n, half=False):
        """The n-th durable call from now on is the last thing the program does."""
        self.set(half=int(half), kill_at=self.count + n)

    def fail(self, error, calls=WRITE | TRUNCATE | CREATE, n=1, times=EVER, half=False):
        """From the n-th durable call on, those of these kinds fail."""
        self.set(half=int(half), error=error, calls=calls, failed=0)
        first = self.count + n
        self.set(fail_to=min(first + times - 1, EVER))
        self.set(fail_from=first)

    def heal(self):
        """Everything works again."""
        self.set(kill_at=0, fail_from=0, fail_to=0, half=0)


FULL = dict(error=errno.ENOSPC, calls=WRITE | CREATE)
READ_ONLY = dict(error=errno.EROFS, calls=WRITE | TRUNCATE | NAME | CREATE)
BROKEN_SYNC = dict(error=errno.EIO, calls=SYNC)
BROKEN_WRITE = dict(error=errno.EIO, calls=WRITE)

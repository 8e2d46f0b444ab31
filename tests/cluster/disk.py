"""Where a node keeps its data: a folder, or an ext4 filesystem in a file, which can be full or lose its
power. Needs root."""
import fcntl
import os
import struct
import subprocess
import time

from network import command

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)
WITHOUT_LOG_FLUSH = 2


class Folder:
    """A folder of the machine's own disk."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def close(self):
        pass


class Image:
    """An ext4 filesystem of its own, on a sparse file."""

    def __init__(self, path, mib):
        self.path, self.image, self.mounted = path, path + ".image", False
        os.makedirs(path, exist_ok=True)
        with open(self.image, "wb") as image:
            image.truncate(mib << 20)
        command("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.image)
        self.mount()

    def mount(self):
        command("mount", "-o", "loop", self.image, self.path)
        self.mounted = True

    def unmount(self):
        # What was just killed may need a moment to let go of its files.
        end = time.monotonic() + 10
        while True:
            done = subprocess.run(["umount", self.path], stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                self.mounted = False
                return
            if time.monotonic() > end:
                raise RuntimeError("umount %s: %s" % (self.path, done.stderr))
            time.sleep(0.01)

    def cut_power(self):
        """Refuses everything from now on, and has forgotten what was not flushed when it is mounted again.
        Whoever acknowledges what it writes must be stopped before: see fs_shutdown.c."""
        with open(os.path.join(self.path, "unsynced"), "wb") as control:
            control.write(b"u" * 4096)
        top = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(top, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
        finally:
            os.close(top)

    def mount_after_cut(self):
        """Gives whether the control, a file that nobody flushed, was lost as it should be."""
        self.unmount()
        self.mount()
        control = os.path.join(self.path, "unsynced")
        lost = not os.path.exists(control) or os.path.getsize(control) == 0
        if os.path.exists(control):
            os.unlink(control)
        return lost

    @property
    def balloon(self):
        return os.path.join(self.path, "balloon")

    def fill(self, leave=0):
        """Takes all the room that there is but `leave` bytes."""
        with open(self.balloon, "ab") as balloon:
            step = 64 << 20
            while step >= 4096:
                room = os.statvfs(self.path)
                if room.f_bavail * room.f_frsize - step < leave:
                    step //= 2
                    continue
                try:
                    os.posix_fallocate(balloon.fileno(), os.fstat(balloon.fileno()).st_size, step)
                except OSError:
                    step //= 2

    def free(self):
        if os.path.exists(self.balloon):
            os.unlink(self.balloon)

    def close(self):
        if self.mounted:
            self.unmount()

"""vxcd and vxc of an earlier commit of this repository (old_build.txt), to be mixed with today's.

They are built once, in build/old/COMMIT, without link-time optimization and without tests. A shallow checkout
fetches the commit from where it was cloned; where that is not possible either, Missing says so.
"""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Missing(Exception):
    """This checkout has no history to build from."""


def pinned():
    """The commit: the first word that is not in a comment."""
    with open(os.path.join(HERE, "old_build.txt"), encoding="ascii") as lines:
        return next(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def run(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)


def has(commit):
    return run("git", "-C", TOP, "cat-file", "-e", commit + "^{commit}").returncode == 0


def bring(commit):
    """Makes sure that git has the commit."""
    if has(commit):
        return
    remotes = run("git", "-C", TOP, "remote").stdout.split()
    for remote in remotes:
        run("timeout", "120", "env", "GIT_TERMINAL_PROMPT=0",
            "git", "-C", TOP, "fetch", "--quiet", "--depth=1", remote, commit)
        if has(commit):
            return
    raise Missing("commit %s is not in this checkout, and %s" % (
        commit[:12], "cannot be fetched from " + ", ".join(remotes) if remotes else "there is no remote to fetch it from"))


def checked(*words):
    done = run(*words)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d:\n%s" % (" ".join(words), done.returncode, done.stdout[-3000:]))


def folder():
    """The folder with the old programs, built when they are not there."""
    commit = pinned()
    built = os.path.join(TOP, "build", "old", commit)
    if os.path.exists(os.path.join(built, "vxcd")):
        return built
    bring(commit)
    source = built + ".source"
    shutil.rmtree(source, ignore_errors=True)
    os.makedirs(source)
    try:
        archive = source + "/archive.tar"
        checked("git", "-C", TOP, "archive", "--format=tar", "-o", archive, commit)
        checked("tar", "-xf", archive, "-C", source)
        # Not "Release", which optimizes across files: the slowest part of a build.
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        made = os.path.join(source, "build")
        checked("cmake", "-S", source, "-B", made, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O2 -DNDEBUG", "-DVXC_TESTS=OFF", *launcher)
        checked("cmake", "--build", made, "-j", str(os.cpu_count() or 2), "--target", "vxc", "vxcd")
        os.makedirs(built, exist_ok=True)
        for program in ("vxc", "vxcd"):  # vxcd last: it says that all is done
            os.replace(os.path.join(made, program), os.path.join(built, program))
    finally:
        shutil.rmtree(source, ignore_errors=True)
    return built

"""A model that misbehaves in the way that the first frame's ``days`` names by number.

Attacks return a bright image if they got through and a dark one if they were stopped. The rest break the
contract, the process, or the machine.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time

import torch

GOT_THROUGH, STOPPED = 0.75, 0.25
LIBC = ctypes.CDLL(None, use_errno=True)


def stopped(call):
    """Whether an attempt raised what the kernel raises."""
    try:
        call()
    except OSError:
        return True
    return False


def check(result):
    """A libc call's result as Python has it."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "libc")
    return result


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def connect(family, kind, address):
    with socket.socket(family, kind) as sock:
        sock.settimeout(2)
        sock.connect(address)
        sock.send(b"x")


def send_to(kind, address):
    """A message to another program's socket by its address alone, with a file in it."""
    with socket.socket(socket.AF_UNIX, kind) as sock, open("/dev/null") as file:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", file.fileno()))
        sock.sendmsg([b"x"], [rights], 0, address)


def open_for_writing(paths, folder=None):
    """Open one of the files (below an open folder) and write nothing; OSError if not one can be opened."""
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY, dir_fd=folder))
        except OSError:
            continue
        return
    raise OSError("not one")


def own_task():
    """The folder of this process's first thread."""
    return "/proc/self/task/{}".format(os.getpid())


def descriptor_of_tasks():
    """The launcher's descriptor on the folder of this process's threads, or one of our own."""
    tasks = "/proc/{}/task".format(os.getpid())
    for name in os.listdir("/proc/self/fd"):
        if os.path.lexists("/proc/self/fd/" + name) and os.readlink("/proc/self/fd/" + name) == tasks:
            return int(name)
    return os.open(tasks, os.O_PATH | os.O_DIRECTORY)


def in_child(call):
    """Do it in a forked child."""
    pid = os.fork()
    if pid == 0:
        os._exit(1 if stopped(call) else 0)
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("in a child")


PROC_FILES = (
    "comm", "mem", "oom_score_adj", "oom_adj", "clear_refs", "coredump_filter", "sched", "autogroup", "timerslack_ns",
    "uid_map", "gid_map", "setgroups", "loginuid", "attr/current", "attr/exec", "make-it-fail", "fail-nth",
)


def number_of_call(x86_64, aarch64):
    """Of a system call that neither Python nor libc offers."""
    return {"x86_64": x86_64, "aarch64": aarch64}[os.uname().machine]


def nice_and_policy(pid):
    """How the kernel schedules a process, as /proc shows it: a filter may pretend that this was changed."""
    with open("/proc/{}/stat".format(pid)) as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[16]), int(fields[38])


def changes(look, pid, *calls):
    """OSError unless one of the calls changes what `look` says of that process."""
    before = look(pid)
    for call in calls:
        try:
            call()
        except OSError:
            continue
    if look(pid) == before:
        raise OSError("nothing changed")


class Attacks:
    """Each raises OSError if it is stopped."""

    def __init__(self, facts):
        self.facts = facts

    def read_hr(self):
        read(self.facts["hr"])

    def list_hr(self):
        os.listdir(os.path.dirname(self.facts["hr"]))

    def stat_hr(self):
        os.stat(self.facts["hr"])

    def read_hr_by_symlink(self):
        link = os.path.join(os.environ["TMPDIR"], "link")
        if os.path.islink(link):
            os.unlink(link)
        os.symlink(self.facts["hr"], link)
        read(link)

    def read_hr_by_hard_link(self):
        link = os.path.join(os.environ["TMPDIR"], "hard")
        os.link(self.facts["hr"], link)
        read(link)

    def read_hr_through_parent_root(self):
        read("/proc/{}/root{}".format(os.getppid(), self.facts["hr"]))

    def read_hr_through_host_root(self):
        read("/proc/{}/root{}".format(self.facts["host"], self.facts["hr"]))

    def read_hr_from_host_descriptor(self):
        read("/proc/{}/fd/{}".format(self.facts["host"], self.facts["hr_fd"]))

    def read_hr_by_subprocess(self):
        if os.system("cat '{}' > /dev/null 2>&1".format(self.facts["hr"])) != 0:
            raise OSError("cat")

    def read_host_memory(self):
        read("/proc/{}/mem".format(self.facts["host"]))

    def read_host_environment(self):
        read("/proc/{}/environ".format(self.facts["host"]))

    def read_secret_of_environment(self):
        secrets = ("HOSTILE_SECRET_TOKEN", "NVIDIA_API_KEY", "CUDA_PASSWORD", "NCCL_TOKEN")
        if not any(name in os.environ for name in secrets):
            raise OSError("clean")

    def read_other_file(self):
        read(self.facts["private"])

    def read_predictions(self):
        read(self.facts["prediction"])

    def read_shared_memory(self):
        read(self.facts["shared_memory"])

    def make_sysv_memory(self):
        segment = check(LIBC.shmget(0, 4096, 0o1600))
        LIBC.shmctl(segment, 0, None)

    def read_launch_description(self):
        """The file that tells the launcher where the data set and the canaries are."""
        for folder in os.environ["PYTHONPATH"].split(os.pathsep):
            for name in os.listdir(folder):
                if name.endswith(".json"):
                    return read(os.path.join(folder, name))
        raise OSError("gone")

    def use_ipc_of_others_by_number(self):
        """Messages, semaphores and queues that another program made: only the filter says EPERM to these numbers."""
        calls = ((69, 189), (70, 188), (71, 187), (65, 193), (220, 192), (66, 191), (242, 182), (243, 183), (244, 184))
        name = ctypes.c_char_p(b"worldstrat-bench-of-another-program")
        asked = [(numbers, -1) for numbers in calls] + [((241, 181), name), ((245, 185), -1)]
        for numbers, first in asked:
            ctypes.set_errno(0)
            if LIBC.syscall(number_of_call(*numbers), first, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.EPERM:
                return
        raise OSError("not one")

    def tcp(self):
        connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", self.facts["tcp"]))

    def udp(self):
        connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.facts["udp"]))

    def unix_socket(self):
        connect(socket.AF_UNIX, socket.SOCK_STREAM, self.facts["socket"])

    def abstract_socket(self):
        connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.facts["abstract"])

    def datagrams_of_a_pair(self):
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            one.connect(self.facts["datagrams"])
            one.send(b"x")

    def send_datagram(self):
        send_to(socket.SOCK_DGRAM, self.facts["datagrams"])

    def send_datagram_to_abstract_name(self):
        send_to(socket.SOCK_DGRAM, "\0" + self.facts["abstract"] + "-datagrams")

    def send_from_raw_socket(self):
        send_to(socket.SOCK_RAW, self.facts["datagrams"])  # Linux makes a datagram socket of it

    def send_over_unconnected_stream(self):
        send_to(socket.SOCK_STREAM, "\0" + self.facts["abstract"])

    def send_over_unconnected_seqpacket(self):
        send_to(socket.SOCK_SEQPACKET, "\0" + self.facts["abstract"] + "-packets")

    def send_over_pair_to_name(self):
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with one, other:
            one.sendto(b"x", "\0" + self.facts["abstract"] + "-packets")
            if other.recv(1):
                raise OSError("it went to the other end, whatever the address")

    def packets_to_abstract_name(self):
        connect(socket.AF_UNIX, socket.SOCK_SEQPACKET, "\0" + self.facts["abstract"] + "-packets")

    def abstract_socket_without_blocking(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect("\0" + self.facts["abstract"])
            sock.send(b"x")

    def abstract_socket_from_child(self):
        in_child(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.facts["abstract"]))

    def abstract_socket_from_named_one(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.bind("\0worldstrat-bench-attack-{}".format(os.getpid()))
            sock.connect("\0" + self.facts["abstract"])
            sock.send(b"x")

    def accept(self):
        self._accept(lambda sock: sock.accept())

    def accept_by_old_call(self):
        number = {"x86_64": 43, "aarch64": 202}[os.uname().machine]
        self._accept(lambda sock: check(LIBC.syscall(number, sock.fileno(), None, None)))

    def _accept(self, call):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.bind("\0worldstrat-bench-attack-{}".format(os.getpid()))
            sock.listen(1)
            sock.setblocking(False)
            try:
                call(sock)
            except OSError as error:
                if error.errno != errno.EAGAIN:  # there is no client, but the call is allowed
                    raise

    def bind_outside(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.bind(os.path.join(self.facts["outside"], "bound"))
            sock.listen(1)

    def netlink(self):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW):
            pass

    def uevents(self):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15):
            pass

    def tcp_over_ipv6(self):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM):
            pass

    def raw_ip(self):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 1):
            pass

    def virtual_machine_socket(self):
        with socket.socket(40, socket.SOCK_STREAM):  # AF_VSOCK
            pass

    def link_layer(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
            pass

    def kernel_crypto(self):
        with socket.socket(38, socket.SOCK_SEQPACKET):  # AF_ALG: the type is one of those that libcuda may use
            pass

    def listen(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()

    def write_outside(self):
        with open(os.path.join(self.facts["outside"], "written"), "wb") as file:
            file.write(b"x")

    def write_own_proc(self):
        open_for_writing("/proc/self/" + name for name in PROC_FILES)

    def write_proc_of_host(self):
        host = self.facts["host"]
        open_for_writing("/proc/{}/{}".format(host, name) for name in PROC_FILES)

    def write_tasks_of_host(self):
        host = self.facts["host"]
        open_for_writing("/proc/{0}/task/{0}/{1}".format(host, name) for name in PROC_FILES)

    def write_tasks_of_host_through_own(self):
        host = self.facts["host"]
        open_for_writing("/proc/self/task/{}/{}".format(host, name) for name in PROC_FILES)

    def write_tasks_of_host_by_dots(self):
        host = self.facts["host"]
        open_for_writing("/proc/self/task/../../{0}/task/{0}/{1}".format(host, name) for name in PROC_FILES)

    def write_decoy_through_own_root(self):
        open_for_writing([own_task() + "/root" + self.facts["decoy"]])

    def write_decoy_through_own_folder(self):
        open_for_writing([own_task() + "/cwd/" + os.path.relpath(self.facts["decoy"], os.getcwd())])

    def write_own_program(self):
        open_for_writing([own_task() + "/exe"])

    def reopen_own_code_for_writing(self):
        with open(__file__, "rb") as file:
            open_for_writing([own_task() + "/fd/{}".format(file.fileno())])

    def reopen_decoy_for_writing(self):
        fd = os.open(self.facts["decoy"], os.O_PATH)  # Landlock lets anyone hold a path
        try:
            open_for_writing([own_task() + "/fd/{}".format(fd)])
        finally:
            os.close(fd)

    def write_from_descriptor_of_tasks(self):
        fd = descriptor_of_tasks()
        open_for_writing(self._beside_tasks(), fd)

    def write_from_inside_of_tasks(self):
        before = os.getcwd()
        os.fchdir(descriptor_of_tasks())
        try:
            open_for_writing(self._beside_tasks())
        finally:
            os.chdir(before)

    def _beside_tasks(self):
        """Paths out of the folder of this process's threads."""
        host = self.facts["host"]
        places = ("..", "../../{}".format(host), "../../{0}/task/{0}".format(host), str(host))
        paths = [place + "/" + name for place in places for name in PROC_FILES]
        return [*paths, os.path.relpath(self.facts["decoy"], "/proc/{}/task".format(os.getpid()))]

    def write_proc_of_parent(self):
        parent = os.getppid()
        files = ["/proc/{0}/{2}{1}".format(parent, name, place)
                 for name in PROC_FILES for place in ("", "task/{}/".format(parent))]
        open_for_writing(files)

    def write_tasks_of_own_child(self):
        in_child(lambda: open_for_writing("/proc/self/task/{}/{}".format(os.getpid(), name) for name in PROC_FILES))

    def make_file_in_own_task(self):
        with open("/proc/self/task/{}/new".format(os.getpid()), "w"):
            pass

    def write_settings_of_kernel(self):
        open_for_writing(["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
                          "/proc/sysrq-trigger", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state"])

    def write_harness(self):
        with open(os.path.join(os.environ["PYTHONPATH"], "written"), "wb") as file:
            file.write(b"x")

    def write_own_package(self):
        with open(os.path.join(os.path.dirname(__file__), "written"), "wb") as file:
            file.write(b"x")

    def truncate_outside(self):
        os.truncate(self.facts["decoy"], 0)

    def delete_outside(self):
        os.unlink(self.facts["deletable"])

    def change_mode_outside(self):
        os.chmod(self.facts["decoy"], 0o777)
        if os.stat(self.facts["decoy"]).st_mode & 0o777 != 0o777:
            raise OSError("pretended")

    def ptrace_host(self):
        check(LIBC.ptrace(0x4206, self.facts["host"], None, None))

    def peek_into_host(self):
        local = ctypes.create_string_buffer(8)

        class Piece(ctypes.Structure):
            _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

        here = Piece(ctypes.cast(local, ctypes.c_void_p), 8)
        there = Piece(self.facts["address"], 8)
        check(LIBC.process_vm_readv(self.facts["host"], ctypes.byref(here), 1, ctypes.byref(there), 1, 0))

    def signal_host(self):
        os.kill(self.facts["host"], 0)

    def signal_keeper(self):
        os.kill(self.facts["keeper"] if self.facts["keeper"] else os.getppid(), 0)

    def signal_host_as_owner_of_descriptor(self):
        import fcntl

        host = self.facts["host"]
        one, other = socket.socketpair()
        with one, other:
            number, owner = struct.pack("i", host), struct.pack("ii", 1, host)
            for call in (
                lambda: fcntl.fcntl(one, fcntl.F_SETOWN, host),
                lambda: fcntl.fcntl(one, 15, owner),
                lambda: fcntl.ioctl(one, 0x8901, number),
                lambda: fcntl.ioctl(one, 0x8902, number),
                lambda: fcntl.fcntl(one, 10, signal.SIGURG),
            ):
                if not stopped(call):
                    return
        raise OSError("not one")

    def empty_granted_file(self):
        path = self.facts["granted"]
        if stopped(lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))):
            os.close(os.open(path, 3 | os.O_TRUNC))

    def change_attributes_of_granted(self):
        import fcntl

        for path in (self.facts["granted"], os.path.dirname(self.facts["granted"])):
            fd = os.open(path, os.O_RDONLY)
            try:
                if not stopped(lambda fd=fd: fcntl.ioctl(fd, 0x40086602, struct.pack("l", 0x80))):
                    return
            finally:
                os.close(fd)
        raise OSError("neither")

    def lease_granted_file(self):
        import fcntl

        with open(self.facts["granted"], "rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)

    def watch_granted_folder(self):
        import fcntl

        fd = os.open(os.path.dirname(self.facts["granted"]), os.O_RDONLY)
        try:
            fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_CREATE)
        finally:
            os.close(fd)

    def list_attributes_outside(self):
        os.listxattr(self.facts["decoy"])

    def find_paths_of_the_harness(self):
        """Where the targets and the run are, in what the harness laid out for the worker or left open."""
        import worldstrat_bench

        wanted = os.path.dirname(self.facts["hr"]).encode()
        harness = os.path.dirname(os.path.dirname(worldstrat_bench.__file__))
        files = [os.path.join(folder, name) for folder, _, names in os.walk(harness) for name in names]
        files += ["/proc/self/fd/" + name for name in os.listdir("/proc/self/fd")]
        for path in files:
            if not os.path.isfile(path):
                continue
            try:
                with open(path, "rb") as file:
                    if wanted in file.read():
                        return
            except OSError:
                continue
        raise OSError("nowhere")

    def find_a_folder_of_the_users_path(self):
        """A folder where the user keeps programs, by its name in a variable or in a command line that can be read."""
        wanted = self.facts["programs"]
        if wanted in " ".join(os.environ.values()):
            return
        for number in filter(str.isdigit, os.listdir("/proc")):
            for name in ("environ", "cmdline"):
                try:
                    with open("/proc/" + number + "/" + name, "rb") as file:
                        if wanted.encode() in file.read():
                            return
                except OSError:
                    continue
        raise OSError("nowhere")

    def list_a_folder_of_the_users_path(self):
        os.listdir(self.facts["programs"])

    def limit_host(self):
        import resource

        resource.prlimit(self.facts["host"], resource.RLIMIT_CORE)

    def pin_host(self):
        host = self.facts["host"]
        before = os.sched_getaffinity(host)
        try:
            changes(os.sched_getaffinity, host, lambda: os.sched_setaffinity(host, {min(before)}))
        finally:
            os.sched_setaffinity(host, before)

    def put_host_last(self):
        host = self.facts["host"]
        try:
            changes(nice_and_policy, host, lambda: os.sched_setscheduler(host, os.SCHED_BATCH, os.sched_param(0)))
        finally:
            os.sched_setscheduler(host, os.SCHED_OTHER, os.sched_param(0))

    def pin_neighbour(self):
        one = self.facts["neighbour"]
        changes(os.sched_getaffinity, one, lambda: os.sched_setaffinity(one, {min(os.sched_getaffinity(one))}))

    def put_neighbour_last(self):
        one = self.facts["neighbour"]
        changes(nice_and_policy, one, lambda: os.sched_setscheduler(one, os.SCHED_IDLE, os.sched_param(0)))

    def make_neighbour_nice(self):
        one = self.facts["neighbour"]
        group = os.getpgid(one)
        changes(nice_and_policy, one, lambda: os.setpriority(os.PRIO_PROCESS, one, 5),
                lambda: os.setpriority(os.PRIO_PGRP, group, 5))

    def make_neighbour_nice_by_attributes(self):
        one = self.facts["neighbour"]
        attributes = struct.pack("IIQiIQQQ", 48, os.SCHED_BATCH, 0, 7, 0, 0, 0, 0)
        changes(nice_and_policy, one, lambda: check(LIBC.syscall(number_of_call(314, 274), one, attributes, 0)))

    def delay_files_of_neighbour(self):
        one, group = self.facts["neighbour"], os.getpgid(self.facts["neighbour"])
        set_class, get_class = number_of_call(251, 30), number_of_call(252, 31)
        changes(lambda pid: check(LIBC.syscall(get_class, 1, pid)), one,
                lambda: check(LIBC.syscall(set_class, 1, one, 3 << 13)),
                lambda: check(LIBC.syscall(set_class, 2, group, 3 << 13)))

    def watch_names_outside(self):
        check(LIBC.inotify_add_watch(check(LIBC.inotify_init()), self.facts["outside"].encode(), 0xFFF))

    def new_namespace(self):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if LIBC.unshare(0x10000000) == 0 else 1)
        if os.waitpid(pid, 0)[1] != 0:
            raise OSError("unshare")

    def mount(self):
        pid = os.fork()
        if pid == 0:
            done = LIBC.unshare(0x10020000) == 0 and LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
            os._exit(0 if done else 1)
        if os.waitpid(pid, 0)[1] != 0:
            raise OSError("mount")

    def io_uring(self):
        os.close(check(LIBC.syscall(425, 1, ctypes.create_string_buffer(512))))

    def hide_memory(self):
        os.close(check(LIBC.syscall(447, 0)))  # memfd_secret

    def take_requests_of_the_machine(self):
        check(LIBC.syscall(206, 64, ctypes.byref(ctypes.c_ulong())))  # io_setup

    def take_watches_of_the_user(self):
        os.close(check(LIBC.epoll_create1(0)))

    def take_instances_of_the_user(self):
        os.close(check(LIBC.inotify_init1(0)))

    def pass_descriptors(self):
        ours, theirs = socket.socketpair()
        socket.send_fds(ours, [b"x"], [0])
        assert socket.recv_fds(theirs, 1, 1)[0] == b"x"

    def open_files_apart(self):
        result = []
        thread = threading.Thread(target=lambda: result.append(LIBC.syscall(436, 900000, 900000, 2)))  # close_range
        thread.start()
        thread.join()
        if result != [0]:
            raise OSError("close_range")

    def take_timers_of_the_user(self):
        timers = [ctypes.c_void_p() for _ in range(5000)]
        for timer in timers:
            check(LIBC.timer_create(1, None, ctypes.byref(timer)))
        for timer in timers:
            LIBC.timer_delete(timer)

    def keyring(self):
        check(LIBC.syscall(250, 0, -3, 0))  # keyctl: the session's keyring


ATTACKS = [name for name in vars(Attacks) if not name.startswith("_")]


def wire():
    """The harness's socket, found among the open files."""
    for fd in range(3, 256):
        try:
            sock = socket.socket(fileno=os.dup(fd))
            if sock.family == socket.AF_UNIX:
                return sock
        except OSError:
            continue
    raise OSError("no wire")


def frame(header, body=b"", magic=b"WSB\x01", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sIQ", magic, len(text), len(body) if length is None else length) + text + body


class Breaks:
    """What is wrong with an answer, a process, or its use of the machine. `good` is a valid prediction."""

    def nan(self, good):
        good[..., 5, 5] = float("nan")
        return good

    def infinite(self, good):
        good[..., 5, 5] = float("inf")
        return good

    def wrong_shape(self, good):
        return good.permute(0, 2, 3, 1)

    def wrong_dtype(self, good):
        return good.half()

    def too_small(self, good):
        return good[..., :7, :7]

    def scaled(self, good):
        return good * 10_000

    def not_a_tensor(self, good):
        return good.numpy()

    def nothing(self, good):
        return None

    def raises(self, good):
        raise RuntimeError("a message with \x1b[31mcolours\x1b[0m and {braces}")

    def raises_unprintable(self, good):
        class Worse(Exception):
            def __str__(self):
                raise RuntimeError("no")

        raise Worse

    def leaves(self, good):
        sys.exit(3)

    def leaves_at_once(self, good):
        os._exit(0)

    def segfault(self, good):
        ctypes.string_at(8)

    def kills_itself(self, good):
        os.kill(os.getpid(), signal.SIGKILL)

    def stops_itself(self, good):
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)

    def endless_loop(self, good):
        while True:
            pass

    def ignores_sigterm(self, good):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)

    def blocks_native(self, good):
        LIBC.pause()

    def allocates_50_gb(self, good):
        block = torch.ones(50 * 2**30, dtype=torch.uint8)
        return good + block[-1]

    def leaks_slowly(self, good):
        kept = []
        while True:
            kept.append(b"x" * (16 << 20))
            time.sleep(0.005)

    def leaks_after_sparing_itself(self, good):
        for value in ("-1000", "0", "500", "999"):
            try:
                with open(own_task() + "/oom_score_adj", "w") as file:
                    file.write(value)
                break
            except OSError:
                continue
        with open("/proc/self/oom_score_adj") as file:
            print("oom_score_adj is now", file.read().strip(), flush=True)
        self.leaks_slowly(good)

    def leaks_in_children(self, good):
        for _ in range(4):
            if os.fork() == 0:
                block = bytearray(b"x") * (400 << 20)
                time.sleep(600)
                os._exit(len(block) % 2)
        time.sleep(600)

    def fork_bomb(self, good):
        while True:
            os.fork()

    def fork_bomb_of_sessions(self, good):
        while True:
            if os.fork() == 0:
                os.setsid()

    def crowd_of_threads(self, good):
        threading.stack_size(64 << 10)
        for _ in range(600 + 16 * os.cpu_count()):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        time.sleep(10)
        return good

    def daemonises(self, good):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for fd in range(256):
                    try:
                        os.close(fd)
                    except OSError:
                        continue
                time.sleep(600)
            os._exit(0)
        os.wait()
        return good

    def gigabyte_of_junk(self, good):
        block = b"\x1b[2Jjunk \xff\x00" * 100_000
        for fd in (1, 2):
            for _ in range(512 * 2**20 // len(block)):
                os.write(fd, block)
        return good

    def fills_scratch(self, good):
        with open(os.path.join(os.environ["TMPDIR"], "big"), "wb") as file:
            while True:
                file.write(b"x" * (1 << 20))

    def many_files_in_scratch(self, good):
        number = 0
        while True:
            number += 1
            with open(os.path.join(os.environ["TMPDIR"], str(number)), "wb") as file:
                file.write(b"x" * (32 << 20))
            time.sleep(0.01)

    def closes_wire(self, good):
        sock = wire()
        sock.shutdown(socket.SHUT_RDWR)
        time.sleep(1)
        return good

    def malformed_frame(self, good):
        wire().sendall(os.urandom(4096))
        return good

    def oversized_frame(self, good):
        wire().sendall(frame({}, length=1 << 60))
        return good

    def oversized_header(self, good):
        wire().sendall(struct.pack("<4sIQ", b"WSB\x01", 2**32 - 1, 0))
        return good

    def nested_header(self, good):
        wire().sendall(frame(b"[" * 60_000))
        return good

    def half_a_frame(self, good):
        wire().sendall(frame({"op": "prediction"}, length=1000))
        time.sleep(60)

    def pickled_frame(self, good):
        class Bomb:
            def __reduce__(self):
                return os.system, ("touch {}".format(os.environ.get("HOSTILE_MARK", "/tmp/unpickled")),)

        wire().sendall(frame({"op": "prediction", "nonce": "0" * 32}, pickle.dumps(Bomb())))
        return good

    def forged_reply(self, good):
        wire().sendall(frame({"op": "prediction", "nonce": "0" * 32, "seconds": 0}, b""))
        return good

    def replies_in_advance(self, good):
        def later():
            time.sleep(0.2)
            wire().sendall(frame({"op": "prediction", "nonce": "0" * 32, "seconds": 0}, b""))

        threading.Thread(target=later, daemon=True).start()
        return good

    def changes_buffer_after_reply(self, good):
        def later():
            while True:
                good.fill_(9.0)
                time.sleep(0.001)

        threading.Timer(0.05, later).start()
        return good

    def lies_about_time(self, good):
        time.perf_counter = lambda: -1e9
        return good


BREAKS = [name for name in vars(Breaks) if not name.startswith("_")]


class Hostile:
    def __init__(self, facts):
        self.attacks = Attacks(facts)
        self.breaks = Breaks()

    def predict(self, lr, target):
        number = int(lr.days[0, 0])
        if number < 0:
            return torch.nn.functional.interpolate(lr.rgb(), (target.height, target.width), mode="bicubic")
        if number < len(ATTACKS):
            contained = stopped(getattr(self.attacks, ATTACKS[number]))
            value = STOPPED if contained else GOT_THROUGH
            return torch.full((1, 3, target.height, target.width), value)
        good = torch.nn.functional.interpolate(lr.rgb(), (target.height, target.width), mode="bicubic")
        return getattr(self.breaks, BREAKS[number - len(ATTACKS)])(good)


def load(weights, device, facts):
    return Hostile(json.loads(facts))


def load_slowly(weights, device):
    time.sleep(600)


def load_badly(weights, device):
    raise ImportError("needs a library called nowhere")

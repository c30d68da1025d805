"""Numbers of the system calls that the filter knows, for x86-64 and 64-bit Arm. Standard library only."""

from __future__ import annotations

from typing import Dict, Tuple

Numbers = Dict[str, Tuple[int, int]]

"""By name: the number on x86-64 and on 64-bit Arm; -1 where there is no such call."""

DENIED: Numbers = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    "truncate": (76, 45),
    "fanotify_init": (300, 262),
    "inotify_add_watch": (254, 27),
    "lookup_dcookie": (212, 18),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
"""Fail with EPERM: other processes, namespaces, mounts, the kernel, the machine, IPC objects without a path (by number,
too: /proc lists those of others), and watches on folders, which name the files there and which Landlock does not
restrict."""

REFUSED: Numbers = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
}
"""Fail with EACCES: sockets, whatever their family (a path's unix socket passes Landlock); and messages that can hold
descriptors, of which the kernel counts for each user how many are on their way."""

ALLOWED_FOR_CUDA = frozenset({"bind", "listen", "epoll_create", "epoll_create1", "sendmsg", "sendmmsg"})
"""Of those and of :data:`ABSENT`, what libcuda calls at its start and must not fail, and what it may call: it has not
been seen without epoll and messages. It needs "socket", too, which is judged by its arguments there. A socket that
listens but can neither connect nor accept reaches nothing."""

ABSENT: Numbers = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "memfd_secret": (447, 447),
    "io_setup": (206, 0),
    "epoll_create": (213, -1),
    "epoll_create1": (291, 20),
    "inotify_init": (253, -1),
    "inotify_init1": (294, 26),
}
"""Fail with ENOSYS, so that programs do without. io_uring passes this filter by; clone3 and openat2 hide their flags in
memory; no process shows the memory of memfd_secret. What io_setup and epoll take is counted for the machine or the
user: a worker could leave other programs none. Python's event loops use poll instead."""

UNSUPPORTED: Numbers = {
    "getxattr": (191, 8),
    "lgetxattr": (192, 9),
    "fgetxattr": (193, 10),
    "getxattrat": (464, 464),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "flistxattr": (196, 13),
    "listxattrat": (465, 465),
    "file_getattr": (468, 468),
}
"""Fail with EOPNOTSUPP, as on a file system that has no extended attributes and no flags: Landlock would let those of
any file be read."""

PRETENDED: Numbers = {
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "lchown": (94, -1),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
}
"""Return 0 and do nothing: Landlock does not restrict these. A new session would leave the process group
that is killed as one; mode, owner, times and attributes of another's files are not the model's to change."""

CHECKED: Numbers = {
    "socketpair": (53, 199),
    "clone": (56, 220),
    "close_range": (436, 436),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "open": (2, -1),
    "openat": (257, 56),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
}
"""Allowed or not by their arguments; see :mod:`worldstrat_bench.worker.inside.seccomp`."""

"""Which tests run where in the machine, and what `nacre doctor` has to say of each place.

Emulated, tests take 2 to 15 times as long as on the host: what is chosen here is what the place makes
a difference to.
"""

from typing import NamedTuple, Sequence

EXT4 = "mkfs.ext4 -q -F -b 4096 -E nodiscard {device}"
XFS = "mkfs.xfs -q -f -K -m reflink=0 {device}"


class Place(NamedTuple):
    name: str
    make: str
    device: str
    mount_options: str
    # Of `nacre doctor --json`: names, as a path, and their values.
    doctor: dict[str, object]
    # Without a file system: the tests get the device itself, by this variable.
    variable: str = ""


class Suite(NamedTuple):
    place: str
    program: str
    # A filter of GoogleTest's.
    cases: str = "*"


class Boot(NamedTuple):
    name: str
    places: Sequence[Place]
    suites: Sequence[Suite]
    cpu: str = "max"
    persistence: str = "mem-ctrl"
    # What doctor says of the processor, in every place.
    flush: str = "clwb"
    copy: str = "avx2-nt"
    protection_keys: bool = True


def _dax(granularity: str, domain: str) -> dict[str, object]:
    return {"directory.pmem2_granularity": granularity, "directory.map_sync": True,
            "power.domain": domain}


BLOCK: dict[str, object] = {"directory.pmem2_granularity": "page", "directory.map_sync": False,
                            "power.domain": "block"}
DAX_EXT4 = Place("ext4-dax", EXT4, "/dev/pmem0", "dax", _dax("cache_line", "cache_line"))
DAX_XFS = Place("xfs-dax", XFS, "/dev/pmem0", "dax", _dax("cache_line", "cache_line"))
NO_DAX_EXT4 = Place("ext4-no-dax", EXT4, "/dev/pmem0", "dax=never", BLOCK)
EADR_EXT4 = Place("ext4-eadr", EXT4, "/dev/pmem0", "dax", _dax("byte", "durable_cache"))
NVME_EXT4 = Place("ext4-nvme", EXT4, "/dev/nvme0n1", "defaults", BLOCK)
NVME_RAW = Place("raw-nvme", "", "/dev/ng0n1", "", {}, variable="NACRE_TEST_NVME")
NVME_XFS = Place("xfs-nvme", XFS, "/dev/nvme0n1", "defaults", BLOCK)

# What lies in memory whatever TMPDIR says is the host's to test, and so are emulated domains.
HERE = "-*Tmpfs*:*tmpfs*:*Emulated*"

# Half of wal_wal_test's time, for which memory that is persistent makes no difference.
SLOW = "*TakesRecordsOf16MiB*:*LanesMergeByLsn*:*LanesRunInParallel*"

PERSISTENCE = ("pmem_mapping_test", "pmem_choose_domain_test", "pmem_media_guard_test",
               "pmem_probe_test", "pmem_copy_routines_test")
# The contract for both domains of persistent memory holds in the first place; in others that of theirs.
REGIONS = "pmem_mapped_region_test"
# With protection keys: that stray stores fault; without: the error.
PROTECTION = ("pmem_store_key_test", "wal_overwrite_protection_test")
# Everything once more with overwrite protection, which is tried in the first place alone.
PROTECTED = "*Protected*"
CACHES_LOST = f"{HERE}:{PROTECTED}:*durable_cache*"
CACHES_KEPT = f"{HERE}:{PROTECTED}:*cache_line*"


def _each(place: Place, programs: Sequence[str], cases: str = HERE) -> list[Suite]:
    return [Suite(place.name, program, cases) for program in programs]


def _structures(place: Place, cases: str = f"{HERE}:{PROTECTED}") -> list[Suite]:
    """What stands on a domain."""
    return [*_each(place, ["log_log_test", "store_store_test"], cases),
            Suite(place.name, "wal_wal_test", f"{cases}:{SLOW}")]


def _dispatch(place: Place) -> list[Suite]:
    return [*_each(place, ["pmem_copy_routines_test", "pmem_probe_test"]),
            Suite(place.name, REGIONS, CACHES_LOST)]


BOOTS = [
    Boot("NVDIMM", [DAX_EXT4, DAX_XFS, NO_DAX_EXT4], [
        *_each(DAX_EXT4, [REGIONS, *PERSISTENCE, *PROTECTION]),
        *_structures(DAX_EXT4, HERE),
        Suite(DAX_XFS.name, REGIONS, CACHES_LOST),
        *_structures(DAX_XFS),
        *_each(NO_DAX_EXT4, ["pmem_choose_domain_test", "pmem_mapping_test"]),
    ]),
    Boot("NVMe", [NVME_EXT4, NVME_XFS, NVME_RAW], [
        *_each(NVME_EXT4, ["pmem_block_region_test"]),
        *_structures(NVME_EXT4),
        Suite(NVME_EXT4.name, "io_posix_backend_test", "*IoBackendContract*DiskDirect"),
        # The ring polls the device, and the kernel the ring.
        Suite(NVME_EXT4.name, "io_uring_backend_test",
              "*UringBackendTest*:*IoBackendContract*KernelPollsDiskDirect:"
              "*GroupContract*SharedDiskDirect"),
        *_each(NVME_XFS, ["pmem_block_region_test"]),
        # Commands past the block layer; and that reads which are polled for raise no interrupts.
        Suite(NVME_RAW.name, "io_nvme_file_test"),
    ]),
    Boot("eADR", [EADR_EXT4], [
        Suite(EADR_EXT4.name, REGIONS, CACHES_KEPT),
        *_each(EADR_EXT4, ["pmem_mapping_test", "pmem_choose_domain_test"]),
        *_structures(EADR_EXT4),
    ], persistence="cpu"),
    Boot("without clwb and protection keys", [DAX_EXT4], [
        *_dispatch(DAX_EXT4), *_each(DAX_EXT4, PROTECTION),
        Suite(DAX_EXT4.name, "log_log_test", "*OverwriteDeathTest*"),
        Suite(DAX_EXT4.name, "store_store_test", "*OverwriteDeathTest*"),
    ], cpu="max,-clwb,-pku", flush="clflushopt", protection_keys=False),
    Boot("without clwb, clflushopt, avx2", [DAX_EXT4], _dispatch(DAX_EXT4),
         cpu="max,-clwb,-clflushopt,-avx2",
         flush="clflush", copy="sse2-nt"),
]

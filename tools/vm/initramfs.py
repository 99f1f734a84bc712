"""The kernel to boot and the initramfs of the virtual machine, from the unpacked kernel package.

The initramfs holds busybox, the modules named here with what they depend on, and init.sh.
"""

import lzma
import pathlib
import re
import shutil
import struct

# In the order of loading. What a module depends on comes by itself; what it only uses when it is
# there (checksums of ext4 and xfs) has to be named.
MODULES = [
    "virtio_pci", "9pnet_virtio", "9p", "overlay", "crc32c_generic", "crc32c-intel", "nfit",
    "nd_pmem", "device_dax", "dax_pmem", "nvme", "virtio_blk", "ext4", "xfs", "loop",
]


def build(cache: pathlib.Path, init: pathlib.Path, busybox: pathlib.Path) -> None:
    """Writes cache/vmlinux and cache/initramfs.cpio."""
    image = next((cache / "kernel" / "boot").glob("vmlinuz-*"))
    _write(cache / "vmlinux", _uncompressed(image.read_bytes()))
    files = {"init": init.read_bytes(), "bin/busybox": busybox.read_bytes()}
    order = []
    for module in _load_order(cache / "kernel"):
        files[f"modules/{module.name}"] = module.read_bytes()
        order.append(module.name)
    files["modules/order"] = ("\n".join(order) + "\n").encode()
    folders = ["dev", "proc", "sys", "host", "out", "root", "upper"]
    _write(cache / "initramfs.cpio", _cpio(files, folders))


def _write(path: pathlib.Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    shutil.move(beside, path)


def _uncompressed(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage (Documentation/x86/boot.rst): it boots two seconds sooner.

    QEMU also takes the bzImage itself, which is what comes back when it is not packed by xz.
    """
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    payload = image[begin:begin + length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        return image
    return lzma.LZMADecompressor().decompress(payload)


def _load_order(kernel: pathlib.Path) -> list[pathlib.Path]:
    modules = next((kernel / "lib" / "modules").iterdir())
    by_name = {_name(path.stem): path for path in modules.rglob("*.ko")}
    builtin = {_name(pathlib.Path(line).stem)
               for line in (modules / "modules.builtin").read_text().split()}
    order: list[pathlib.Path] = []

    def add(name: str) -> None:
        if name in builtin:
            return
        path = by_name[name]
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for needed in depends.group(1).decode().split(",") if depends else []:
            if needed:
                add(_name(needed))
        if path not in order:
            order.append(path)

    for name in MODULES:
        add(_name(name))
    return order


def _name(module: str) -> str:
    """A module's name is spelt with hyphens in some places and underscores in others."""
    return module.replace("-", "_")


def _cpio(files: dict[str, bytes], folders: list[str]) -> bytes:
    """The "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    out = bytearray()

    def entry(name: str, mode: int, content: bytes = b"") -> None:
        number = len(out) + 1
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out.extend(b"070701" + b"".join(b"%08X" % field for field in fields))
        out.extend(name.encode() + b"\0")
        out.extend(bytes(-len(out) % 4))
        out.extend(content)
        out.extend(bytes(-len(out) % 4))

    for folder in [*folders, *sorted({name.split("/")[0] for name in files if "/" in name})]:
        entry(folder, 0o040755)
    for name, content in files.items():
        entry(name, 0o100755, content)
    entry("TRAILER!!!", 0)
    return bytes(out)

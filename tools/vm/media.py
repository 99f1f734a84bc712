"""The images behind the machine's NVDIMMs and disks. They are sparse: a blank one takes no room."""

import pathlib
import subprocess

from guest import NVDIMM_BYTES, Guest, Options
from machine import Machine, scratch

DISK_BYTES = 1 << 30
MODES = ("fsdax", "devdax")


def blank_disk(folder: pathlib.Path, name: str = "disk.img", size: int = DISK_BYTES) -> pathlib.Path:
    path = folder / name
    with path.open("wb") as file:
        file.truncate(size)
    return path


def blank_nvdimm(machine: Machine, folder: pathlib.Path, mode: str) -> pathlib.Path:
    """An NVDIMM with one namespace over all of it: "fsdax" (/dev/pmemN) or "devdax" (/dev/daxN.0).

    An NVDIMM comes up in a mode that no file system can map. The namespace is made once, in a machine,
    and copied.
    """
    make_templates(machine)
    path = folder / f"{mode}.img"
    subprocess.run(["cp", "--sparse=always", str(_template(machine, mode)), str(path)], check=True)
    return path


def make_templates(machine: Machine) -> None:
    """The namespaces, where there are none yet. One thread at a time."""
    if not all(_template(machine, mode).exists() for mode in MODES):
        with scratch(machine) as folder:
            _make_templates(machine, folder)


def _template(machine: Machine, mode: str) -> pathlib.Path:
    return machine.cache / f"{mode}.img"


def _make_templates(machine: Machine, folder: pathlib.Path) -> None:
    images = []
    for mode in MODES:
        images.append(folder / f"{mode}.img")
        with images[-1].open("wb") as file:
            file.truncate(NVDIMM_BYTES)
    with Guest(machine, folder / "out", Options(nvdimms=images)) as guest:
        for number, mode in enumerate(MODES):
            guest.expect(f"ndctl create-namespace -f -e namespace{number}.0 -m {mode} -M mem "
                         "--no-autolabel")
        guest.power_off()
    for mode, image in zip(MODES, images):
        image.rename(_template(machine, mode))

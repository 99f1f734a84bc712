"""The images behind the machine's NVDIMMs and disks. They are sparse: a blank one takes no room."""

import pathlib
import subprocess

from guest import NVDIMM_BYTES, Guest, Options
from machine import Machine, scratch

DISK_BYTES = 1 << 30


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
    template = machine.cache / f"{mode}.img"
    if not template.exists():
        with scratch(machine) as work:
            _make_templates(machine, work)
    path = folder / f"{mode}.img"
    subprocess.run(["cp", "--sparse=always", str(template), str(path)], check=True)
    return path


def _make_templates(machine: Machine, folder: pathlib.Path) -> None:
    modes = ["fsdax", "devdax"]
    images = []
    for mode in modes:
        images.append(folder / f"{mode}.img")
        with images[-1].open("wb") as file:
            file.truncate(NVDIMM_BYTES)
    with Guest(machine, folder / "out", Options(nvdimms=images)) as guest:
        for number, mode in enumerate(modes):
            guest.expect(f"ndctl create-namespace -f -e namespace{number}.0 -m {mode} -M mem "
                         "--no-autolabel")
        guest.power_off()
    for image in images:
        image.rename(machine.cache / image.name)

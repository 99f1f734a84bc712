#!/usr/bin/env python3
"""What the virtual machine does where its packages cannot be fetched, or not at once. The network is
not asked: apt-get, apt-cache and dpkg are stubs."""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "vm"))

import packages  # noqa: E402

DOWNLOADS = """
echo "$@" >>CALLS
case "$*" in
  *download\\ linux*) touch linux-image-6_6.1_amd64.deb ;;
  *) touch qemu.deb ;;
esac
"""
NO_NETWORK = """
echo "$@" >>CALLS
echo "E: Could not connect to proxy" >&2
echo "E: Some files failed to download" >&2
exit 100
"""
# The first time it breaks off, with half of a package in its folder for those.
BREAKS_OFF = f'if [ ! -e CALLS ]; then touch CALLS partial/half.deb; exit 100; fi\n{DOWNLOADS}'
KERNELS = 'echo "  Depends: linux-image-6"'
UNPACKS = 'mkdir -p "$3" && basename "$2" >>"$3/unpacked"'


class Unpack(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.calls = self.folder / "calls"
        self.cache = self.folder / "cache"
        (self.folder / "bin").mkdir()
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(unittest.mock.patch.dict(os.environ, PATH=path))
        self.stub("apt-cache", KERNELS)
        self.stub("dpkg", UNPACKS)

    def stub(self, name, script):
        path = self.folder / "bin" / name
        path.write_text("#!/bin/sh\n" + script.replace("CALLS", str(self.calls)) + "\n")
        path.chmod(0o755)

    def unpack(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            packages.unpack(ROOT, self.cache)
        return said.getvalue()

    def unavailable(self):
        with self.assertRaises(packages.Unavailable) as caught:
            self.unpack()
        self.assertFalse((self.cache / "packages").exists())
        self.assertFalse((self.cache / "debs").exists())
        return str(caught.exception)

    def number_of_calls(self):
        return len(self.calls.read_text().splitlines())

    def test_fetches_once(self):
        self.stub("apt-get", DOWNLOADS)
        self.unpack()
        self.assertEqual((self.cache / "prefix/unpacked").read_text(), "qemu.deb\n")
        self.assertIn("linux-image-6", (self.cache / "kernel/unpacked").read_text())
        self.assertEqual(self.number_of_calls(), 2)
        self.unpack()
        self.assertEqual(self.number_of_calls(), 2)

    def test_without_network_it_cannot_be_had(self):
        self.stub("apt-get", NO_NETWORK)
        self.assertIn("Could not connect to proxy", self.unavailable())
        self.assertEqual(self.number_of_calls(), packages.FETCH_TRIES)

    def test_a_download_that_breaks_off_is_tried_again(self):
        self.stub("apt-get", BREAKS_OFF)
        self.assertIn("try 1 of 2", self.unpack())
        self.assertEqual((self.cache / "prefix/unpacked").read_text(), "qemu.deb\n")

    def test_a_download_without_an_end_cannot_be_had(self):
        self.stub("apt-get", "exec tail -f /dev/null")
        with unittest.mock.patch.object(packages, "FETCH_SECONDS", 0.1):
            self.assertIn("has not ended", self.unavailable())

    def test_a_kernel_that_no_list_knows_cannot_be_had(self):
        self.stub("apt-get", DOWNLOADS)
        self.stub("apt-cache", "true")
        self.assertIn("run apt-get update", self.unavailable())

    def test_a_download_that_leaves_nothing_cannot_be_had(self):
        self.stub("apt-get", "true")
        self.assertIn("has left no package", self.unavailable())

    def test_a_damaged_package_cannot_be_had(self):
        self.stub("apt-get", DOWNLOADS)
        self.stub("dpkg", 'echo "dpkg-deb: error: unexpected end of file" >&2; exit 2')
        self.assertIn("unexpected end of file", self.unavailable())


if __name__ == "__main__":
    unittest.main()

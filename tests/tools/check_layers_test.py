"""Feeds tools/check_layers.py trees with one broken rule each and sees it object."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "check_layers.py"
HEADER = "#pragma once\n"


class CheckLayers(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.tree = pathlib.Path(scratch.name)
        for path in ("include/nacre/error.h", "lib/base/try.h", "lib/io/ring.h", "pmem/region.h",
                     "mmap/segment.h", "wal/lane.h", "lib/log/topic.h", "lib/store/table.h",
                     "emulation/crash.h", "tests/helper.h", "tools/table.h"):
            self.write(path, HEADER)
        self.write("include/CMakeLists.txt", "nacre/error.h nacre/log.h")

    def write(self, path, text):
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def write_source(self, path, text):
        self.write(path, text)
        parent = pathlib.Path(path).parent
        self.write(parent / "CMakeLists.txt", f"nacre_library(x SOURCES {pathlib.Path(path).name})")

    def check(self):
        run = subprocess.run([sys.executable, SCRIPT, self.tree], capture_output=True, text=True,
                             check=False)
        self.assertEqual(run.stderr, "")
        self.assertEqual(run.returncode, 1 if run.stdout else 0)
        return run.stdout

    def assert_rule(self, place, words):
        output = self.check()
        self.assertIn(place, output)
        self.assertIn(words, output)
        self.assertIn("1 broken rules", output)

    def test_a_good_tree_passes_in_silence(self):
        self.write_source("wal/lane.cc", '#include "wal/lane.h"\n\n#include <vector>\n\n'
                          '#include "lib/base/try.h"\n#include "mmap/segment.h"\n'
                          '#include "nacre/error.h"\n')
        self.assertEqual(self.check(), "")

    def test_including_from_a_lower_row_names_file_line_and_both_layers(self):
        self.write("mmap/segment.h", HEADER + '\n#include "wal/lane.h"\n')
        self.assert_rule("mmap/segment.h:3:", "mmap/ may not include from wal/")

    def test_log_and_store_do_not_know_each_other(self):
        self.write("lib/store/table.h", HEADER + '#include "lib/log/topic.h"\n')
        self.assert_rule("lib/store/table.h:2:", "lib/store/ may not include from lib/log/")

    def test_emulation_does_not_know_the_wal(self):
        self.write("emulation/crash.h", HEADER + '#include "wal/lane.h"\n')
        self.assert_rule("emulation/crash.h:2:", "emulation/ may not include from wal/")

    def test_emulation_knows_pmem(self):
        self.write("emulation/crash.h", HEADER + '#include "pmem/region.h"\n')
        self.assertEqual(self.check(), "")

    def test_a_public_header_includes_only_public_headers(self):
        self.write("include/nacre/log.h", HEADER + '#include "lib/base/try.h"\n')
        self.assert_rule("include/nacre/log.h:2:", "only public headers")

    def test_a_layer_does_not_depend_on_tests_or_tools(self):
        self.write("wal/lane.h", HEADER + '#include "tools/table.h"\n')
        self.assert_rule("wal/lane.h:2:", "may depend on tools/")

    def test_tests_may_include_anything_of_ours(self):
        self.write("tests/helper.h", HEADER + '#include "tools/table.h"\n#include "wal/lane.h"\n')
        self.assertEqual(self.check(), "")

    def test_an_include_relative_to_the_file_is_refused(self):
        self.write("wal/cursor.h", HEADER + '#include "lane.h"\n')
        self.assert_rule("wal/cursor.h:2:", "no path from the root")

    def test_our_own_header_in_angle_brackets_is_refused(self):
        self.write("wal/lane.h", HEADER + "#include <nacre/error.h>\n")
        self.assert_rule("wal/lane.h:2:", "quotes for the project's own headers")

    def test_a_kernel_call_outside_the_seam_is_refused(self):
        self.write("wal/lane.h", HEADER + "inline int f(int fd) { return ::fsync(fd); }\n")
        self.assert_rule("wal/lane.h:2:", "::fsync: file operations go through nacre::FileSystem")

    def test_a_stream_on_a_file_outside_the_seam_is_refused(self):
        self.write("lib/log/topic.h", HEADER + "#include <fstream>\ninline std::ofstream out;\n")
        self.assert_rule("lib/log/topic.h:3:", "std::ofstream")

    def test_the_standard_library_s_file_system_is_refused_and_its_paths_are_not(self):
        self.write("wal/lane.h", HEADER + "bool f(const std::filesystem::path& p) {\n"
                   "  return std::filesystem::exists(p);\n}\n")
        self.assert_rule("wal/lane.h:3:", "std::filesystem::exists")

    def test_a_kernel_call_behind_the_seam_in_a_comment_or_of_a_class_passes(self):
        self.write("lib/io/ring.h", HEADER + "inline int f(int fd) { return ::fsync(fd); }\n")
        self.write("wal/lane.h", HEADER + "// Never ::fsync(fd) here.\n/* ::open(\n */\n"
                   "auto x = Log::open(path);\n")
        self.assertEqual(self.check(), "")

    def test_a_source_that_no_list_names_is_refused(self):
        self.write_source("wal/lane.cc", "")
        self.write("wal/xlane.cc", "")
        self.assert_rule("wal/xlane.cc:1:", "no CMakeLists.txt names this file")

    def test_a_public_header_that_is_not_installed_is_refused(self):
        self.write("include/nacre/extra.h", HEADER)
        self.assert_rule("include/nacre/extra.h:1:", "no CMakeLists.txt names this file")

    def test_a_header_without_pragma_once_is_refused(self):
        self.write("wal/lane.h", "int x;\n")
        self.assert_rule("wal/lane.h:1:", "#pragma once")


if __name__ == "__main__":
    unittest.main()

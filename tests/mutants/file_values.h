#pragma once

// What the programs of the corpus that have files have in common: numbers in a file.

#include <cstdint>
#include <filesystem>
#include <memory>

#include "nacre/file_system.h"
#include "tests/mutants/media_words.h"

namespace nacre::mutants {

/// Opened for writing, and made where it is missing. Asserts that it works.
std::unique_ptr<File> open_file(FileSystem& files, const std::filesystem::path& path);

/// Asserts that the write works; nothing is synced.
void write_values(File& file, std::uint64_t offset, const Values& values);

/// `count` numbers, zeros past the end of the file, or none where there is no file.
Values read_values(FileSystem& files, const std::filesystem::path& path, std::uint64_t offset,
                   std::size_t count);

/// What a program does that has no answer to a failure.
void must(const Status& status);

}  // namespace nacre::mutants

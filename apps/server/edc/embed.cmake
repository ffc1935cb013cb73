# Writes a C++ file that defines edc::demo_files() from the files below FOLDER.
#   cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake
file(GLOB_RECURSE files RELATIVE "${FOLDER}" "${FOLDER}/*")
list(SORT files)
set(arrays "")
set(entries "")
set(number 0)
foreach(file IN LISTS files)
  file(READ "${FOLDER}/${file}" bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char file_${number}[] = {${bytes}0};\n")
  string(APPEND entries
         "        {\"${file}\", text_of(file_${number}, sizeof file_${number} - 1)},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Made by embed.cmake from the demo study.
#include \"edc/demo.hpp\"

#include <cstddef>
#include <string>

namespace edc {
namespace {

${arrays}
std::string text_of(const unsigned char* bytes, std::size_t count) {
    return {bytes, bytes + count};
}

} // namespace

const file_source& demo_files() {
    static const memory_source files{\"demo\", {
${entries}    }};
    return files;
}

} // namespace edc
")

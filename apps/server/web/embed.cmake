# Writes a C++ file that defines server::web::embedded_files(), or the function named.
#   cmake "-DFILES=name=path;..." [-DFUNCTION=embedded_files] -DOUTPUT=... -P embed.cmake
if(NOT FUNCTION)
  set(FUNCTION embedded_files)
endif()
set(arrays "")
set(entries "")
set(number 0)
foreach(pair IN LISTS FILES)
  string(FIND "${pair}" "=" at)
  string(SUBSTRING "${pair}" 0 ${at} name)
  math(EXPR at "${at} + 1")
  string(SUBSTRING "${pair}" ${at} -1 path)
  file(READ "${path}" bytes HEX)
  file(SHA256 "${path}" sha256)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "constexpr char file_${number}[] = {${bytes}0};\n")
  string(APPEND entries "        {\"${name}\", {file_${number}, sizeof file_${number} - 1},\n"
                        "         \"${sha256}\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Made by embed.cmake from files of the server.
#include \"web/assets.hpp\"

namespace server::web {
namespace {

${arrays}
} // namespace

std::span<const embedded_file> ${FUNCTION}() noexcept;
std::span<const embedded_file> ${FUNCTION}() noexcept {
    static constexpr embedded_file files[] = {
${entries}    };
    return files;
}

} // namespace server::web
")
